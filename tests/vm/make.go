package vm

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"forkgate/tests/need"
)

// build makes the agent, for a host that has other libraries than this machine.
func build(t testing.TB, file string) {
	t.Helper()
	c := exec.Command("go", "build", "-trimpath", "-o", file, "./tests/vm/agent")
	c.Dir = need.Checkout(t)
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	output(t, c)
}

// pack makes a disk of a directory: a tar file, which needs no filesystem's support.
func pack(t testing.TB, dir string) *os.File {
	t.Helper()
	disk := Unnamed(t, 0)
	c := exec.Command("tar", "-C", dir, "-c", ".")
	c.Stdout, c.Stderr = disk, os.Stderr
	if err := c.Run(); err != nil {
		t.Fatalf("cannot pack %s: %v", dir, err)
	}
	return disk
}

// Unnamed makes a file of a size, full of zeros, on a disk: /tmp may be memory. It has no name, and is gone with the last process that
// has it open.
func Unnamed(t testing.TB, size int64) *os.File {
	t.Helper()
	f, err := os.CreateTemp("/var/tmp", "forkgate-vm-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := os.Remove(f.Name()); err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	return f
}

// Existing opens a file as a disk that the host may only read.
func Existing(t testing.TB, file string) *os.File {
	t.Helper()
	f, err := os.Open(filepath.Clean(file))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// pair is a socket to the host, and the end that qemu gets.
func pair(t testing.TB) (net.Conn, *os.File) {
	t.Helper()
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	ours := os.NewFile(uintptr(ends[0]), "agent")
	defer ours.Close()
	conn, err := net.FileConn(ours)
	if err != nil {
		t.Fatal(err)
	}
	return conn, os.NewFile(uintptr(ends[1]), "agent")
}

// start runs qemu in a way that it dies with this process, however that ends. The kernel sends a parent-death signal when the starting
// thread ends, so that thread is kept until qemu has ended. What comes out of the channel is qemu's own end.
func start(qemu *exec.Cmd) <-chan error {
	qemu.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	ended, started := make(chan error, 1), make(chan struct{})
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := qemu.Start()
		close(started)
		if err == nil {
			err = qemu.Wait()
		}
		ended <- err
	}()
	<-started
	return ended
}

func output(t testing.TB, c *exec.Cmd) {
	t.Helper()
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", c.Args, err, out)
	}
}
