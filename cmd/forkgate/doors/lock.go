package doors

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"forkgate/gate/provenance/chain"
)

// heldError is why a lock is not had: another process has it. Which one the lock's file says.
type heldError struct {
	pid   int
	start uint64 // clock ticks after boot
}

func (h heldError) Error() string { return fmt.Sprintf("process %d is at it", h.pid) }

// takeLock locks a file and writes into it who has it. It waits for a while, and no longer: who has it may have been stopped.
func takeLock(name string, proc fs.FS, wait time.Duration) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for end := time.Now().Add(wait); ; time.Sleep(20 * time.Millisecond) {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) || time.Now().After(end) {
			break
		}
	}
	if errors.Is(err, unix.EWOULDBLOCK) {
		held := heldError{}
		_, _ = fmt.Fscan(f, &held.pid, &held.start) // where it does not say nobody is killed
		err = held
	}
	if err == nil {
		self, _ := chain.Read(proc, os.Getpid()) // where that fails nobody can kill us; the lock is had all the same
		_ = f.Truncate(0)
		_, _ = fmt.Fprintln(f, self.PID, self.Start)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// kill ends the process that has the lock, where it is still the one that took it, and forkgate like this one.
func (h heldError) kill(proc fs.FS) error {
	if h.pid <= 0 {
		return os.ErrProcessDone
	}
	p, err := os.FindProcess(h.pid) // by pidfd: none that has its number by and by
	if err != nil {
		return err
	}
	defer p.Release()
	self, wrong := chain.Read(proc, os.Getpid())
	holder, err := chain.Read(proc, h.pid)
	if err = errors.Join(err, wrong); err != nil {
		return err
	}
	if holder.Start != h.start || holder.Program() != self.Program() {
		return fmt.Errorf("process %d is another one", h.pid)
	}
	return p.Kill()
}
