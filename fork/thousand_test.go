package fork

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"forkgate/tests/need"
)

// many is how many forks are made and removed while their process is killed again and again.
const many = 1000

// makeMany makes forks and removes them, four at a time, and says of each when it is made and when it is gone.
func makeMany(ctx context.Context, s *Store) error {
	if _, err := s.Reconcile(ctx); err != nil {
		return err
	}
	demo, _ := s.Find("demo", "")
	errs := make(chan error)
	for worker := range 4 {
		go func() {
			for n := 0; ; n++ {
				made, _, err := s.Fork(ctx, demo, fmt.Sprintf("w%d-%d", worker, n), "alice", roomy)
				if err == nil {
					fmt.Println("made")
					err = s.Remove(ctx, made.GUID)
				}
				if err != nil {
					errs <- err
					return
				}
				fmt.Println("gone")
			}
		}()
	}
	return <-errs
}

// A thousand forks that are made and removed by a process which is killed at random moments leave nothing behind: no fork, no subvolume, no quota
// group, no slot; and the filesystem is sound.
func TestAThousandForks(t *testing.T) {
	need.Tools(t, "btrfs", "cp")
	dir := need.Memory(t) // each removal waits for the disk, which may be busy with something else
	pool := filepath.Join(dir, "disk")
	must(t, os.Mkdir(pool, 0o700))
	c := crash{scene: "many", pool: need.BtrfsIn(t, pool, 4<<30), registry: filepath.Join(dir, "registry.db")}
	c.prepare(t)
	dropOld(t, c)
	made, kills := 0, 0
	for longest := 200 * time.Millisecond; made < many; kills++ {
		more := c.runFor(t, 10*time.Millisecond+rand.N(longest))
		if made += more; kills > 20 && made == 0 {
			t.Fatal("no fork is made")
		}
		if more == 0 {
			longest += 20 * time.Millisecond // a slow machine gets somewhere as well
		}
	}
	t.Logf("%d forks, %d kills", made, kills)
	c.check(t)
	s := c.open(t)
	defer s.Close()
	if left := s.Forks(""); len(left) > 0 {
		for _, f := range left { // those that were whole when their process was killed
			if err := s.Remove(t.Context(), f.GUID); err != nil {
				t.Error(err)
			}
		}
	}
	wantEmpty(t, c.pool, "forks", "spare")
	wantGroups(t, s)
	demo, _ := s.Find("demo", "")
	if fork := makeFork(t, s, demo, "last"); fork.Slot != 1 {
		t.Errorf("the next fork has slot %d: those before it are lost", fork.Slot)
	}
	sound(t, c.pool)
}

// runFor plays the scene in a process of its own, and kills it after a while. It returns how many forks that has made.
func (c crash) runFor(t *testing.T, while time.Duration) (made int) {
	t.Helper()
	child := exec.Command("/proc/self/exe", "-test.run=^TestCrashChild$")
	child.Env = append(os.Environ(), "FORKGATE_TEST_SCENE="+c.scene, "FORKGATE_TEST_POOL="+c.pool, "FORKGATE_TEST_REGISTRY="+c.registry)
	out, err := child.StdoutPipe()
	if err == nil {
		err = child.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	kill := time.AfterFunc(while, func() { _ = child.Process.Kill() })
	defer kill.Stop()
	// What it said ends when all that have a copy of its descriptors are gone.
	late := time.AfterFunc(while+time.Minute, func() { _ = out.Close() })
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if lines.Text() == "made" {
			made++
		} else if strings.Contains(lines.Text(), "FAIL") {
			t.Errorf("the process says %q", lines.Text())
		}
	}
	if !late.Stop() {
		t.Fatal("the process is killed, and something that it started lives on")
	}
	_ = child.Wait()
	return made
}

func dropOld(t *testing.T, c crash) {
	t.Helper()
	s := c.open(t)
	defer s.Close()
	old, _ := s.Find("demo", "old")
	if err := s.Remove(t.Context(), old.GUID); err != nil {
		t.Fatal(err)
	}
}

// sound has btrfs look at the whole pool: by its checksums, and by a btrfs check that knows simple quotas (6.7), at a copy of its image, as the pool is
// mounted.
func sound(t *testing.T, pool string) {
	t.Helper()
	root := t.TempDir()
	image := filepath.Join(root, "copy")
	for _, argv := range [][]string{
		{"btrfs", "filesystem", "sync", pool}, {"btrfs", "scrub", "start", "-B", "-r", pool},
		{"tar", "-C", root, "-xf", need.NewBtrfs(t), "./usr/bin", "./usr/sbin", "./usr/lib", "./usr/lib64", "./bin", "./lib", "./lib64"},
		{"cp", "--sparse=always", pool + ".btrfs", image}, {"chroot", root, "btrfs", "check", "--readonly", "--force", "/copy"},
	} {
		out, err := exec.CommandContext(context.WithoutCancel(t.Context()), argv[0], argv[1:]...).CombinedOutput()
		if err != nil || argv[1] == "scrub" && !strings.Contains(string(out), "no errors found") {
			t.Fatalf("%q: %v\n%s", argv, err, out)
		}
	}
}
