package pod

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"forkgate/nsjail"
	"forkgate/nsjail/idmap"
	"forkgate/tests/need"
)

// What a session takes of what the kernel counts by user is not taken from the host's root.
func TestPodTakesNothingOfRoots(t *testing.T) {
	need.Tools(t, "unshare", "gcc")
	p := startPod(t)
	for _, init := range children(t, p.process.Process.Pid) {
		if owner := ownerOfNamespace(t, init); owner != p.spec.SubUID {
			t.Errorf("the user namespace of %d belongs to %d, not to the pod's %d", init, owner, p.spec.SubUID)
		}
	}
	greedy := filepath.Join(p.spec.Data, "greedy")
	if out, err := exec.Command("gcc", "-static", "-o", greedy, "testdata/greedy.c").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	must(t, os.Chown(greedy, idmap.Foreign, idmap.Foreign))
	had := instances(t)
	s, err := nsjail.Run(t.Context(), p.run, p.guid, nsjail.Exec{Session: "greedy", Home: "alice.agent", Command: []byte("./greedy")})
	must(t, err)
	defer s.Close()
	if got := reads(t, s.Files[2], "\n"); got == "taken 0\n" {
		t.Error("the session got no instance, which proves nothing")
	}
	if left := instances(t); left < had {
		t.Errorf("a session left root %d of %d inotify instances", left, had)
	}

	program, err := os.ReadFile(greedy) // the pool is noexec
	must(t, err)
	copied := filepath.Join(t.TempDir(), "greedy")
	must(t, os.WriteFile(copied, program, 0o700))
	control := exec.Command("unshare", "-U", "--map-root-user", copied)
	out, err := control.StdoutPipe()
	must(t, err)
	must(t, control.Start())
	defer func() {
		_ = control.Process.Kill()
		_ = control.Wait()
	}()
	reads(t, out.(*os.File), "\n")
	if left := instances(t); left != 0 {
		t.Errorf("control: a namespace of root's leaves root %d of %d inotify instances", left, had)
	}
}

// The pod's root makes groups until it may not, and raises no bound of theirs. Without the bound it goes on.
func TestGroupsOfAPodAreBounded(t *testing.T) {
	need.Tools(t, "nsenter")
	p := startPod(t)
	machine := 0
	for _, init := range children(t, p.process.Process.Pid) {
		if out, _ := inPod(init, "grep -c machine /proc/1/cmdline"); out == "1\n" {
			machine = init
		}
	}
	for _, test := range []struct{ file, attempt, bounded, free string }{
		{"cgroup.max.descendants", "while [ $i -lt 1100 ] && mkdir x$i; do i=$((i+1)); done; rmdir x*", "1024\n", "1100\n"},
		{"cgroup.max.depth", "while [ $i -lt 40 ] && mkdir x && cd x; do i=$((i+1)); done", "32\n", "40\n"},
	} {
		attempt := "cd /sys/fs/cgroup; echo max >" + test.file + "; i=0; " + test.attempt + "; echo $i"
		if out, err := inPod(machine, "exec 2>/dev/null; "+attempt); err != nil || out != test.bounded {
			t.Errorf("with %s the pod's root makes %s, %v, want %s", test.file, out, err, test.bounded)
		}
		group := filepath.Join(p.cgroup, nsjail.MachineGroup)
		must(t, removeBelow(group))
		must(t, os.WriteFile(filepath.Join(group, test.file), []byte("max"), 0))
		if out, err := inPod(machine, "exec 2>/dev/null; "+attempt); err != nil || out != test.free {
			t.Errorf("control: without %s the pod's root makes %s, %v, want %s", test.file, out, err, test.free)
		}
		must(t, removeBelow(group))
	}
}

// inPod runs a command as root of the pod of an init.
func inPod(init int, command string) (string, error) {
	out, err := exec.Command("nsenter", "-t", fmt.Sprint(init), "-U", "-m", "-p", "-n", "-i", "-u", "/bin/sh", "-c", command).CombinedOutput()
	return string(out), err
}

// instances counts how many inotify instances root can still have, up to a hundred.
func instances(t *testing.T) int {
	t.Helper()
	var fds []int
	defer func() {
		for _, fd := range fds {
			unix.Close(fd)
		}
	}()
	for len(fds) < 100 {
		fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
		if err != nil {
			break
		}
		fds = append(fds, fd)
	}
	return len(fds)
}

// ownerOfNamespace asks the kernel (ioctl_ns(2)).
func ownerOfNamespace(t *testing.T, pid int) (uid uint32) {
	t.Helper()
	ns, err := os.Open(fmt.Sprintf("/proc/%d/ns/user", pid))
	must(t, err)
	defer ns.Close()
	owner, err := unix.IoctlGetUint32(int(ns.Fd()), unix.NS_GET_OWNER_UID)
	must(t, err)
	return owner
}
