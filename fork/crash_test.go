package fork

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"forkgate/tests/need"
)

// scenes are what the child process does until it is killed. Each finds a repository demo with a fork old, and spares.
var scenes = map[string]func(ctx context.Context, s *Store) error{
	"fork": func(ctx context.Context, s *Store) error {
		demo, _ := s.Find("demo", "")
		_, _, err := s.Fork(ctx, demo, "new", "alice", roomy)
		return err
	},
	"fork with a spare": func(ctx context.Context, s *Store) error {
		demo, _ := s.Find("demo", "")
		if err := s.refill(ctx); err != nil {
			return err
		}
		_, _, err := s.Fork(ctx, demo, "new", "alice", roomy)
		return err
	},
	"remove": func(ctx context.Context, s *Store) error {
		old, _ := s.Find("demo", "old")
		return s.Remove(ctx, old.GUID)
	},
	"create": func(ctx context.Context, s *Store) error {
		_, err := s.CreateRepo(ctx, "new", Source{Dir: "/etc/default"}, nil)
		return err
	},
	"create from a pipe": func(ctx context.Context, s *Store) error {
		_, err := s.CreateRepo(ctx, "new", Source{Tar: os.Stdin}, nil)
		return err
	},
	"restore": func(ctx context.Context, s *Store) error {
		demo, _ := s.Find("demo", "")
		kept, err := s.Keep(ctx, demo, "/mnt")
		if err != nil {
			return err
		}
		stream, err := sent(s, kept)
		if err == nil {
			_, err = s.CreateRepo(ctx, "new", Source{Stream: stream, Kept: kept.ID}, nil)
		}
		return errors.Join(err, s.Drop(kept.ID))
	},
	"compare": func(ctx context.Context, s *Store) error {
		demo, _ := s.Find("demo", "")
		old, _ := s.Find("demo", "old")
		_, err := s.Compare(ctx, demo, old)
		return err
	},
	"freeze": func(_ context.Context, s *Store) error {
		old, _ := s.Find("demo", "old")
		_, err := s.Freeze(old.GUID)
		return errors.Join(err, s.opts.step("frozen whole"))
	},
	"thaw": func(_ context.Context, s *Store) error {
		old, _ := s.Find("demo", "old")
		_, err := s.Freeze(old.GUID)
		if err == nil {
			_, err = s.Thaw(old.GUID)
		}
		return err
	},
	"import": func(ctx context.Context, s *Store) error {
		tar, err := os.Open(os.Getenv("FORKGATE_TEST_TAR"))
		if err != nil {
			return err
		}
		_, err = s.ImportRootfs(ctx, tar, nil)
		return err
	},
	"many": makeMany,
}

// TestCrashChild is the process that TestCrash kills; by itself it does nothing.
func TestCrashChild(t *testing.T) {
	scene := scenes[os.Getenv("FORKGATE_TEST_SCENE")]
	if scene == nil {
		return
	}
	s := openStore(t, Options{Pool: os.Getenv("FORKGATE_TEST_POOL"), Registry: os.Getenv("FORKGATE_TEST_REGISTRY")})
	killAt := os.Getenv("FORKGATE_TEST_KILL")
	n := 0
	s.opts.step = func(name string) error {
		n++
		at := fmt.Sprint(n, " ", name)
		if at == killAt {
			return syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}
		_, err := os.Stdout.WriteString("step=" + at + "\n")
		return err
	}
	if err := scene(context.Background(), s); err != nil {
		t.Fatal(err)
	}
}

// A process that is killed at any point leaves nothing behind that the next start does not find and put in order.
func TestCrash(t *testing.T) {
	for name := range scenes {
		if name == "create from a pipe" || name == "many" {
			continue // TestKilledWhileCopying writes to that pipe, and TestAThousandForks kills at random
		}
		t.Run(name, func(t *testing.T) {
			c := crash{scene: name, pool: need.Btrfs(t), registry: filepath.Join(t.TempDir(), "registry.db")}
			c.tar = makeTar(t).Name()
			c.prepare(t)
			steps := c.run(t, "") // once to the end, to learn the steps
			if len(steps) < 3 && name != "freeze" && name != "thaw" {
				t.Fatalf("only %d steps: %q", len(steps), steps)
			}
			c.check(t)
			for _, step := range steps {
				c.prepare(t)
				c.run(t, step)
				t.Logf("killed at %q: %s", step, c.check(t))
			}
		})
	}
}

type crash struct{ scene, pool, registry, tar string }

// prepare makes what the scenes expect, where it is not there.
func (c crash) prepare(t *testing.T) {
	t.Helper()
	s := c.open(t)
	defer s.Close()
	importRootfs(t, s)
	demo, ok := s.Find("demo", "")
	if !ok {
		demo = createRepo(t, s, "demo", Source{})
		write(t, s.Dirs(demo).Data+"/file", "production")
	}
	old, ok := s.Find("demo", "old")
	if !ok {
		old = makeFork(t, s, demo, "old")
	}
	if _, err := s.Thaw(old.GUID); err != nil {
		t.Fatal(err)
	}
	for _, gone := range []string{"new"} {
		if fork, ok := s.Find("demo", gone); ok {
			if err := s.Remove(context.Background(), fork.GUID); err != nil {
				t.Fatal(err)
			}
		}
		if _, ok := s.Find(gone, ""); ok {
			if err := s.RemoveRepo(context.Background(), gone, gone); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func (c crash) open(t *testing.T) *Store {
	t.Helper()
	s, err := Open(Options{Pool: c.pool, Registry: c.registry, End: noPods})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// run plays the scene in a process of its own, kills it at a step, and returns the steps that it got to.
func (c crash) run(t *testing.T, killAt string) (steps []string) {
	t.Helper()
	child := exec.Command("/proc/self/exe", "-test.run=^TestCrashChild$")
	child.Env = append(os.Environ(), "FORKGATE_TEST_SCENE="+c.scene, "FORKGATE_TEST_POOL="+c.pool,
		"FORKGATE_TEST_REGISTRY="+c.registry, "FORKGATE_TEST_TAR="+c.tar, "FORKGATE_TEST_KILL="+killAt)
	out, err := child.CombinedOutput()
	var exit *exec.ExitError
	killed := errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL
	if killed != (killAt != "") || !killed && err != nil {
		t.Fatalf("to be killed at %q: %v\n%s", killAt, err, out)
	}
	for _, line := range strings.Split(string(out), "\n") {
		if step, ok := strings.CutPrefix(line, "step="); ok {
			steps = append(steps, step)
		}
	}
	return steps
}

// check starts again and compares what is recorded with what is there.
func (c crash) check(t *testing.T) (what string) {
	t.Helper()
	s := c.open(t)
	defer s.Close()
	report, err := s.Reconcile(context.Background())
	if err != nil || len(report.Missing) > 0 || len(report.Orphans) > 0 {
		t.Fatalf("reconciled: %+v, %v", report, err)
	}
	wantEmpty(t, c.pool, "spare")
	wantGroups(t, s)
	kept, err := os.ReadDir(filepath.Join(c.pool, "kept"))
	if err != nil || len(kept) != len(s.Kept()) {
		t.Errorf("kept are %v, and recorded %v: %v", kept, s.Kept(), err)
	}
	demo, _ := s.Find("demo", "")
	wantContent(t, s.Dirs(demo).Data+"/file", "production")
	for _, tree := range s.registry.list(func(Tree) bool { return true }) {
		c.checkWhole(t, s, tree)
	}
	for _, kind := range []string{"repos", "forks"} {
		entries, err := os.ReadDir(filepath.Join(c.pool, kind))
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range entries {
			if _, ok := s.Get(entry.Name()); !ok {
				t.Errorf("%s/%s is left", kind, entry.Name())
			}
		}
	}
	return "undone " + refs(report.Undone) + ", finished " + refs(report.Finished)
}

func (c crash) checkWhole(t *testing.T, s *Store, tree Tree) {
	t.Helper()
	d := s.Dirs(tree)
	if tree.State != Ready {
		t.Errorf("%s is still %s", tree.Ref(), tree.State)
	}
	if tree.Repo == "demo" {
		wantContent(t, d.Data+"/file", "production")
	}
	if err := os.Mkdir(d.Tree+"/try", 0o700); errors.Is(err, syscall.EROFS) == tree.Frozen.IsZero() {
		t.Errorf("%s is frozen since %v, and writing says %v", tree.Ref(), tree.Frozen, err)
	}
	_ = os.Remove(d.Tree + "/try")
	for _, dir := range []string{d.Data, d.Docker, d.Root + "/bin", d.Home} {
		if _, err := os.Stat(dir); err != nil {
			t.Error(err)
		}
	}
}

func refs(trees []Tree) string {
	var names []string
	for _, t := range trees {
		names = append(names, t.Ref())
	}
	slices.Sort(names)
	return "[" + strings.Join(names, " ") + "]"
}
