package pod

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"golang.org/x/sys/unix"

	"forkgate/nsjail"
	"forkgate/nsjail/wire"
)

// Config is what the supervisor is told by its command line.
type Config struct {
	RunDir string
	GUID   string
	Init   string // path of the forkgate-init binary
	Log    *slog.Logger
	Ready  func() error // tells the service manager
}

// ErrDied says that a half of the pod ended by itself.
var ErrDied = errors.New("a half of the pod died")

// Run builds the pod, says that it is ready, and waits until ctx ends or a half dies. Then nothing of the pod is left running:
// pid 1 of each half is killed, and with it, by the kernel, all of its namespace.
func Run(ctx context.Context, c Config) (err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	unix.Umask(0o022) // what is made for the pod is for others to read; its directory on the host is root's alone
	spec, err := nsjail.ReadSpec(c.RunDir, c.GUID)
	if err != nil {
		return err
	}
	build, err := newBuilder(c, spec)
	if err != nil {
		return err
	}
	defer build.close()
	machine, err := build.start(machineHalf, build.groups.machine, nil)
	if err != nil {
		return fmt.Errorf("cannot start the machine: %w", err)
	}
	defer machine.kill()
	sessions, err := build.start(sessionHalf, build.groups.sessions, machine, build.control)
	if err != nil {
		return fmt.Errorf("cannot start the session init: %w", err)
	}
	defer sessions.kill()
	for _, h := range []*half{machine, sessions} {
		if err := h.expect(wire.TypeReady); err != nil {
			return err
		}
		go h.watch(cancel)
	}
	if err := c.Ready(); err != nil {
		return err
	}
	<-ctx.Done()
	if cause := context.Cause(ctx); errors.Is(cause, ErrDied) {
		return cause
	}
	return nil
}

// listen makes the control socket. What an earlier run left behind is dead: the service manager runs one at a time.
func listen(runDir, guid string) (*os.File, error) {
	path := nsjail.ControlSocket(runDir, guid)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("cannot remove an old control socket: %w", err)
	}
	return wire.ListenFile(path, 0o600)
}
