package bare

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Process is a process that carries a program out, as its parent sees it. Its exit is to be waited for.
type Process struct {
	*os.Process
	what    []string
	reports *os.File
}

// firstHigh is the least number of a descriptor that [High] makes: above all that a program puts files to.
const firstHigh = 64

// High duplicates a descriptor so that no program that numbers files from 0 on overwrites it.
func High(f *os.File) (*os.File, error) {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, firstHigh)
	if err != nil {
		return nil, fmt.Errorf("cannot duplicate %s: %w", f.Name(), err)
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}

// task is what the process is given.
type task struct {
	calls  []Call
	report uintptr
}

// Start forks a process that carries the program out, and exits when nothing is left to do. Where write adds a call of [Process.Next]'s,
// report is what it writes to.
func Start(args CloneArgs, memory *Arena, write func(p *Program, report uintptr)) (_ *Process, err error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("cannot make a pipe: %w", err)
	}
	defer w.Close()
	defer func() {
		if err != nil {
			r.Close()
		}
	}()
	report, err := High(w)
	if err != nil {
		return nil, err
	}
	defer report.Close()
	program := &Program{Memory: memory}
	write(program, report.Fd())
	stored := Store(memory, []task{{calls: program.Ready(), report: report.Fd()}})
	if err := memory.Err(); err != nil {
		return nil, err
	}
	args.ExitSignal = uint64(unix.SIGCHLD)
	pid, errno := Fork(args, carry, unsafe.Pointer(&stored[0]))
	if errno != 0 {
		return nil, errno
	}
	process, err := os.FindProcess(pid)
	if err != nil {
		return nil, err
	}
	return &Process{Process: process, what: program.What, reports: r}, nil
}

// carry is the process.
//
//go:nosplit
//go:norace
//go:nocheckptr
func carry(arg unsafe.Pointer) {
	t := (*task)(arg)
	CarryOut(t.calls, t.report, 0, false)
	Exit(0)
}

// Report adds a call that tells the parent that all is well so far.
func (p *Program) Report(what string, report uintptr) {
	f := Store(p.Memory, []Failure{{List: Started}})
	p.Do(what, unix.SYS_WRITE, report, Location(f), unsafe.Sizeof(Failure{}))
}

// SetDeadline bounds the waits for the process, as os.File does.
func (p *Process) SetDeadline(t time.Time) error { return p.reports.SetReadDeadline(t) }

// Close lets go of what the process has to say.
func (p *Process) Close() error { return p.reports.Close() }

// Next waits until the process reports, and returns the error of a call that went wrong, or io.EOF where the process has nothing more
// to say: it has executed a program, or ended.
func (p *Process) Next() error {
	var f Failure
	_, err := io.ReadFull(p.reports, (*[unsafe.Sizeof(f)]byte)(unsafe.Pointer(&f))[:])
	if err != nil {
		return err
	}
	if f.List == Started {
		return nil
	}
	what := "do what was asked"
	if int(f.Index) < len(p.what) {
		what = p.what[f.Index]
	}
	return fmt.Errorf("cannot %s: %w", what, unix.Errno(f.Errno))
}

// End kills the process and waits for it.
func (p *Process) End() {
	_ = p.Close()
	_ = p.Kill()
	_, _ = p.Wait()
}

// Finish waits until the process has executed a program or ended.
func (p *Process) Finish() error {
	defer p.Close()
	switch err := p.Next(); {
	case err == nil:
		return errors.New("it says more than was asked")
	case err == io.EOF:
		return nil
	default:
		return err
	}
}
