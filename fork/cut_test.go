package fork

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/containerd/btrfs/v2"

	"forkgate/tests/need"
)

// A host that loses its power while forks come and go finds, when it is back, production whole, every fork that somebody had been told is made,
// none that somebody had been told is removed, and nothing that nobody knows of. The disk is a file, and the registry another, of which one snapshot
// is taken in the middle of whatever kernel and store are doing; that is mounted elsewhere.
func TestPowerCut(t *testing.T) {
	for round := range 12 {
		t.Run(fmt.Sprint(round), cutPower)
	}
}

func cutPower(t *testing.T) {
	outer := need.BtrfsOf(t, 6<<30)
	host, after := filepath.Join(outer, "host"), filepath.Join(outer, "after")
	must(t, btrfs.SubvolCreate(host))
	image := filepath.Join(host, "pool.btrfs")
	must(t, os.WriteFile(image, nil, 0o600))
	must(t, os.Truncate(image, 3<<30))
	tool(t, "mkfs.btrfs", "--quiet", image)
	mounted := mountPool(t, image)
	s := newStore(t, Options{Pool: mounted.dir, Registry: filepath.Join(host, "registry.db"), Share: most(100)})
	demo := createRepo(t, s, "demo", Source{})
	write(t, s.Dirs(demo).Data+"/file", "production")

	w := &working{made: map[string]bool{}, doing: map[string]bool{}, turns: map[string]int{}}
	ctx, stop := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for n := range 3 {
		all.Go(func() { w.work(ctx, t, s, demo, n) })
	}
	time.Sleep(time.Duration(200+rand.IntN(800)) * time.Millisecond)
	sure, turns := w.sure()
	must(t, btrfs.SubvolSnapshot(after, host, false))
	_, later := w.sure()
	stop()
	all.Wait()
	must(t, s.Close())
	mounted.end(t)

	again := mountPool(t, filepath.Join(after, "pool.btrfs"))
	s = openStore(t, Options{Pool: again.dir, Registry: filepath.Join(after, "registry.db")})
	report, err := s.Reconcile(context.Background())
	if err != nil || len(report.Missing) > 0 || len(report.Orphans) > 0 {
		t.Errorf("found %+v, %v", report, err)
	}
	t.Logf("%d undone, %d finished, %d forks", len(report.Undone), len(report.Finished), len(s.Forks("")))
	wantContent(t, s.Dirs(demo).Data+"/file", "production")
	for tag, there := range sure {
		if later[tag] != turns[tag] {
			continue // it was under way
		}
		f, ok := s.Find("demo", tag)
		if ok != there {
			t.Errorf("%s: there is %v, and was said to be %v", tag, ok, there)
		}
		if ok {
			wantContent(t, s.Dirs(f).Data+"/file", "production")
		}
	}
	for _, f := range s.Forks("") {
		must(t, s.Remove(context.Background(), f.GUID))
	}
	wantEmpty(t, again.dir, "forks", "spare")
}

// working is what three callers were told.
type working struct {
	mu    sync.Mutex
	made  map[string]bool // by tag: false where it was removed
	doing map[string]bool
	turns map[string]int // how often somebody has begun or ended something with it
}

// sure is what nobody is doing anything to, and the turns of all.
func (w *working) sure() (sure map[string]bool, turns map[string]int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	sure = maps.Clone(w.made)
	maps.DeleteFunc(sure, func(tag string, _ bool) bool { return w.doing[tag] })
	return sure, maps.Clone(w.turns)
}

func (w *working) note(tag string, doing, made bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.turns[tag]++
	if w.doing[tag] = doing; !doing {
		w.made[tag] = made
	}
}

// work makes forks, and removes those that it has made.
func (w *working) work(ctx context.Context, t *testing.T, s *Store, demo Tree, n int) {
	for ctx.Err() == nil {
		tag := fmt.Sprintf("t%d-%d", n, rand.IntN(8))
		f, there := s.Find("demo", tag)
		w.note(tag, true, there)
		var err error
		if there {
			err = s.Remove(context.Background(), f.GUID)
		} else {
			_, _, err = s.Fork(context.Background(), demo, tag, "alice", roomy)
		}
		if err != nil {
			t.Errorf("%s: %v", tag, err)
			return
		}
		w.note(tag, false, !there)
	}
}

// mountedPool is a pool that can be taken away.
type mountedPool struct {
	dir  string
	once sync.Once
}

func mountPool(t *testing.T, image string) *mountedPool {
	t.Helper()
	m := &mountedPool{dir: t.TempDir()}
	tool(t, "mount", "-t", "btrfs", "-o", "loop,subvolid=5,nosuid,nodev,noexec", image, m.dir)
	t.Cleanup(func() { m.end(t) })
	return m
}

func (m *mountedPool) end(t *testing.T) { m.once.Do(func() { tool(t, "umount", m.dir) }) }

func tool(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
}
