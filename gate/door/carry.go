package door

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"forkgate/gate/warden/client"
	"forkgate/nsjail/wire"
)

// rawTerminal is the terminal that sshd has made, in raw mode: the one inside does what a terminal does. It has a descriptor of its
// own, as asking an os.File for its would make that one block.
type rawTerminal struct {
	fd    int
	modes *unix.Termios // as they were
}

// takeTerminal makes the terminal raw, and describes it as it was.
func takeTerminal(file *os.File, term string) (_ *rawTerminal, _ *client.Terminal, err error) {
	fd, err := unix.FcntlInt(file.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot take the terminal: %w", err)
	}
	defer func() {
		if err != nil {
			unix.Close(fd)
		}
	}()
	modes, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot read the terminal's modes: %w", err)
	}
	size, err := unix.IoctlGetWinsize(fd, unix.TIOCGWINSZ)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot read the terminal's size: %w", err)
	}
	raw := *modes // cfmakeraw, termios(3)
	raw.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON
	raw.Oflag &^= unix.OPOST
	raw.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
	raw.Cflag = raw.Cflag&^(unix.CSIZE|unix.PARENB) | unix.CS8
	raw.Cc[unix.VMIN], raw.Cc[unix.VTIME] = 1, 0
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, &raw); err != nil {
		return nil, nil, fmt.Errorf("cannot set the terminal's modes: %w", err)
	}
	return &rawTerminal{fd, modes}, &client.Terminal{
		Term: []byte(term), Columns: uint32(size.Col), Rows: uint32(size.Row), Width: uint32(size.Xpixel), Height: uint32(size.Ypixel),
		Modes: wire.Modes(modes),
	}, nil
}

func (r *rawTerminal) giveBack() {
	_ = unix.IoctlSetTermios(r.fd, unix.TCSETS, r.modes) // it may be gone
	unix.Close(r.fd)
}

// follow passes on each new size until ctx ends.
func (r *rawTerminal) follow(ctx context.Context, run *client.Session) {
	changed := make(chan os.Signal, 1)
	signal.Notify(changed, syscall.SIGWINCH)
	defer signal.Stop(changed)
	for {
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
		size, err := unix.IoctlGetWinsize(r.fd, unix.TIOCGWINSZ)
		if err != nil || run.Resize(wire.Resize{Columns: uint32(size.Col), Rows: uint32(size.Row), Width: uint32(size.Xpixel), Height: uint32(size.Ypixel)}) != nil {
			return
		}
	}
}

// carry carries bytes between sshd and the session until the command has ended and all that it wrote has been passed on.
func (f *Forced) carry(ctx context.Context, run *client.Session) (wire.Exit, error) {
	ctx, done := context.WithCancel(ctx)
	var beside, out sync.WaitGroup
	defer beside.Wait()
	defer done()
	defer run.Close()
	defer context.AfterFunc(ctx, func() { run.Close() })()
	defer f.Stdin.Close()
	if f.raw != nil {
		beside.Go(func() { f.raw.follow(ctx, run) })
		beside.Go(func() { _, _ = io.Copy(run.Master, f.Stdin) })
		out.Go(func() { _, _ = io.Copy(f.Stdout, run.Master) })
	} else {
		beside.Go(func() { pass(run.Stdin, f.Stdin); run.Stdin.Close() })
		out.Go(func() { pass(f.Stdout, run.Stdout) })
		out.Go(func() { pass(f.Stderr, run.Stderr) })
	}
	exit, err := run.Wait()
	if err != nil && ctx.Err() != nil {
		return exit, errClosed
	}
	if err != nil {
		err = errors.Join(errVanished, err)
		for _, from := range []*os.File{run.Stdout, run.Stderr, run.Master} {
			if from != nil {
				_ = from.SetReadDeadline(time.Now().Add(lastWords))
			}
		}
	}
	out.Wait()
	return exit, err
}

// pass copies until end of file. Where nobody takes it, the writer is told by SIGPIPE.
func pass(to, from *os.File) {
	_, _ = io.Copy(to, from)
	from.Close()
}

// awaitHangUp returns when nobody reads any of the outputs any more, or ctx ends: sshd has closed the channel then, and sends no signal
// to a forced command.
func awaitHangUp(ctx context.Context, outputs ...*os.File) {
	wake, end, err := os.Pipe()
	if err != nil {
		return
	}
	defer wake.Close()
	defer end.Close()
	defer context.AfterFunc(ctx, func() { end.Close() })()
	for _, out := range outputs {
		raw, err := out.SyscallConn()
		if err != nil {
			return
		}
		_ = raw.Control(func(fd uintptr) { pollHangUp(int32(fd), int32(wake.Fd())) }) // a file that is closed is not read either
	}
}

// pollHangUp waits until one of two files has nobody at its other end.
func pollHangUp(a, b int32) {
	for {
		fds := []unix.PollFd{{Fd: a}, {Fd: b}} // POLLERR and POLLHUP come unasked, poll(2)
		if _, err := unix.Poll(fds, -1); !errors.Is(err, unix.EINTR) {
			return
		}
	}
}
