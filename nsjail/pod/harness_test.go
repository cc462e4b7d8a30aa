package pod

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"forkgate/nsjail"
	"forkgate/nsjail/idmap"
	"forkgate/nsjail/wire"
	"forkgate/tests/need"
)

// TestMain lets the test binary be the supervisor of a pod: a process of its own, in a cgroup of its own.
func TestMain(m *testing.M) {
	if guid := os.Getenv("TEST_POD_GUID"); guid != "" {
		unix.Umask(0o077) // as the unit has it
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		err := Run(ctx, Config{
			RunDir: os.Getenv("TEST_POD_RUN"), GUID: guid, Init: os.Getenv("TEST_POD_INIT"),
			Print:    func(from, line string) { fmt.Fprintf(os.Stderr, "%s: %q\n", from, line) },
			Ready:    func() error { fmt.Println("ready"); return nil },
			Scrubber: filepath.Join(filepath.Dir(os.Getenv("TEST_POD_INIT")), "forkgate-scrub"), Extend: func(time.Duration) error { return nil },
		})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// testPod is a running pod with a busybox for tools.
type testPod struct {
	run, guid string
	spec      nsjail.Spec
	init      string // the program
	process   *exec.Cmd
	cgroup    string
}

func startPod(t *testing.T) *testPod {
	t.Helper()
	p := newTestPod(t)
	must(t, p.spec.Write(p.run))
	p.launch(t)
	return p
}

// startAhead has a pod built that nobody has taken.
func startAhead(t *testing.T) *testPod {
	t.Helper()
	p := newTestPod(t)
	spare := p.spec
	spare.Ahead, spare.Hostname, spare.Data, spare.Docker = true, "", "", ""
	must(t, spare.Write(p.run))
	p.launch(t)
	return p
}

// startTaken has a pod built ahead, and takes it.
func startTaken(t *testing.T) *testPod {
	t.Helper()
	p := startAhead(t)
	must(t, p.spec.Write(p.run))
	must(t, nsjail.Take(t.Context(), p.run, p.guid))
	return p
}

// builds are the two ways in which a pod comes to be.
var builds = map[string]func(*testing.T) *testPod{"at once": startPod, "ahead": startTaken}

func newTestPod(t *testing.T) *testPod {
	t.Helper()
	pool := need.Btrfs(t)
	must(t, unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, "")) // as systemd has it; in this test's own namespace
	need.Tools(t, "go", "busybox")
	p := &testPod{run: t.TempDir(), guid: "0123456789abcdef", init: buildInit(t)}
	p.spec = nsjail.Spec{
		GUID: p.guid, SubUID: 0x70000000, Hostname: "demo-x", Mountpoint: nsjail.Mountpoint(p.guid),
		Root: makeRoot(t, pool), Data: filepath.Join(pool, "data"), Docker: filepath.Join(pool, "docker"), Home: filepath.Join(pool, "home"),
	}
	makeOwned(t, p.spec.Data, nsjail.UID)
	makeOwned(t, p.spec.Docker, 0)
	makeOwned(t, p.spec.Home, 0)
	p.cgroup = ownTestCgroup(t)
	return p
}

func (p *testPod) launch(t *testing.T) {
	t.Helper()
	emptyCgroup(t, p.cgroup)
	p.process = p.command(t)
	p.process.Stderr = os.Stderr
	out, err := p.process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	must(t, p.process.Start())
	process := p.process
	t.Cleanup(func() {
		_ = process.Process.Signal(syscall.SIGTERM)
		_ = process.Wait()
	})
	line := make([]byte, 6)
	if _, err := io.ReadFull(out, line); err != nil || string(line) != "ready\n" {
		t.Fatalf("the pod is not ready: %q, %v", line, err)
	}
}

// command is the pod's supervisor, not started yet.
func (p *testPod) command(t *testing.T) *exec.Cmd {
	t.Helper()
	dir, err := os.Open(p.cgroup)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() })
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = []string{"TEST_POD_GUID=" + p.guid, "TEST_POD_RUN=" + p.run, "TEST_POD_INIT=" + p.init}
	cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(dir.Fd())}
	return cmd
}

// sh runs a shell command as a session of alice's agent and returns what it wrote, and how it ended.
func (p *testPod) sh(t *testing.T, command string) (string, wire.Exit) {
	t.Helper()
	return p.exec(t, nsjail.Exec{Session: fmt.Sprint(time.Now().UnixNano()), Home: "alice.agent", Command: []byte(command)})
}

func (p *testPod) exec(t *testing.T, e nsjail.Exec) (string, wire.Exit) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	s, err := nsjail.Run(ctx, p.run, p.guid, e)
	if err != nil {
		t.Fatal(err)
	}
	door, err := wire.NewConn(s.Files[0])
	if err != nil {
		t.Fatal(err)
	}
	defer door.Close()
	var out []byte
	if e.Terminal != nil {
		out, _ = io.ReadAll(s.Files[1]) // a terminal ends with EIO
	} else {
		s.Files[1].Close()
		if out, err = io.ReadAll(io.MultiReader(s.Files[2], s.Files[3])); err != nil {
			t.Fatal(err)
		}
	}
	_ = door.SetDeadline(time.Now().Add(10 * time.Second))
	m, _, err := door.Receive()
	if err != nil {
		t.Fatalf("the session vanished: %v (output %q)", err, out)
	}
	var exit wire.Exit
	if err := m.Decode(&exit); err != nil {
		t.Fatal(err)
	}
	return string(out), exit
}

// makeRoot makes the tools of a pod from busybox, owned by the foreign range's root.
func makeRoot(t *testing.T, pool string) string {
	t.Helper()
	root := filepath.Join(pool, "root")
	for _, dir := range []string{"bin", "dev", "etc/docker", "home", "proc", "run", "srv", "sys", "tmp", "var/lib/docker", "var/tmp"} {
		makeOwned(t, filepath.Join(root, dir), 0)
	}
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(busybox)
	if err != nil {
		t.Fatal(err)
	}
	must(t, os.WriteFile(filepath.Join(root, "bin/busybox"), data, 0o755))
	applets, err := exec.Command(busybox, "--list").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, applet := range strings.Fields(string(applets)) {
		if err := os.Symlink("busybox", filepath.Join(root, "bin", applet)); err != nil && !errors.Is(err, os.ErrExist) {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"hosts", "hostname", "resolv.conf"} {
		must(t, os.WriteFile(filepath.Join(root, "etc", name), nil, 0o644))
	}
	must(t, os.WriteFile(filepath.Join(root, "etc/passwd"), []byte("rediacc:x:7111:7111::/home:/bin/sh\n"), 0o644))
	must(t, os.WriteFile(filepath.Join(root, "etc/group"), []byte("rediacc:x:7111:\ndocker:x:988:\n"), 0o644))
	return root
}

func makeOwned(t *testing.T, dir string, uid int) {
	t.Helper()
	must(t, os.MkdirAll(dir, 0o755))
	must(t, os.Chown(dir, idmap.Foreign+uid, idmap.Foreign+uid))
}

// buildInit builds forkgate-init as it is shipped, and what it is shipped with.
func buildInit(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "forkgate-init")
	build := exec.Command("go", "build", "-o", filepath.Dir(path), "forkgate/cmd/forkgate-init", "forkgate/cmd/forkgate-scrub")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("cannot build forkgate-init: %v\n%s", err, out)
	}
	return path
}

// ownTestCgroup makes a group as a unit with Delegate=yes has it, through a mount of the test's own.
func ownTestCgroup(t *testing.T) string {
	t.Helper()
	mnt := t.TempDir()
	must(t, unix.Mount("cgroup2", mnt, "cgroup2", 0, ""))
	t.Cleanup(func() { must(t, unix.Unmount(mnt, unix.MNT_DETACH)) })
	dir, err := os.MkdirTemp(mnt, "forkgate-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		emptyCgroup(t, dir)
		must(t, os.Remove(dir))
	})
	return dir
}

// emptyCgroup removes the groups that a pod left, as the service manager does when a unit has stopped. Only groups without
// processes can be removed: that of a killed pod are a moment in going.
func emptyCgroup(t *testing.T, dir string) {
	t.Helper()
	var last error
	for range 500 {
		if last = removeBelow(dir); last == nil {
			noControllers(t, dir)
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal(last)
}

// noControllers undoes what a supervisor enables: a group that hands controllers on takes no process (cgroups(7)).
func noControllers(t *testing.T, dir string) {
	t.Helper()
	file := filepath.Join(dir, "cgroup.subtree_control")
	enabled, err := os.ReadFile(file)
	must(t, err)
	for _, name := range strings.Fields(string(enabled)) {
		must(t, os.WriteFile(file, []byte("-"+name), 0))
	}
}

func removeBelow(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if path := filepath.Join(dir, e.Name()); e.IsDir() {
			if err := errors.Join(removeBelow(path), os.Remove(path)); err != nil {
				return err
			}
		}
	}
	return nil
}

func ownerOf(t *testing.T, st os.FileInfo) uint32 {
	t.Helper()
	return st.Sys().(*syscall.Stat_t).Uid
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
