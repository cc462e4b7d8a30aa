package machine

import (
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// start runs boot in a way that it dies with this process, however that ends. The kernel sends a parent-death signal when the
// starting thread ends, so that thread is kept until boot has ended. What comes out of the channel is boot's own end.
func start(up *exec.Cmd) <-chan error {
	up.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	ended, started := make(chan error, 1), make(chan struct{})
	go func() {
		runtime.LockOSThread()
		err := up.Start()
		close(started)
		if err == nil {
			err = up.Wait()
		}
		ended <- err
		close(ended)
		runtime.UnlockOSThread()
	}()
	<-started
	return ended
}

// close shuts the machine down, and shows its journal when the test has failed. When it returns nothing of the machine is left.
func (m *Machine) close(t testing.TB) {
	if m.leader == 0 {
		return
	}
	if t.Failed() {
		t.Logf("the journal of %s:\n%s", m.Name, m.Journal(t))
	}
	if out, err := exec.Command("bash", m.script, "down", m.Name).CombinedOutput(); err != nil {
		t.Errorf("cannot shut down %s: %v\n%s", m.Name, err, out)
	}
	select {
	case <-m.ended:
	case <-time.After(10 * time.Second):
		t.Errorf("%s is down, and boot is still there", m.Name)
	}
}

func (m *Machine) kill(up *exec.Cmd) {
	if up.Process != nil {
		_ = up.Process.Kill() // it may have ended by itself
	}
}

func code(s interface{ Sys() any }) int {
	status := s.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		return 128 + int(status.Signal())
	}
	return status.ExitStatus()
}
