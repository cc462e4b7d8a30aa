package pod

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"forkgate/nsjail"
	"forkgate/nsjail/wire"
)

// Config is what the supervisor is told by its command line.
type Config struct {
	RunDir string
	GUID   string
	Init   string                  // path of the forkgate-init binary
	Print  func(from, line string) // what is printed in the pod: FromInit, FromDocker. The line can hold any bytes
	Ready  func() error            // tells the service manager
}

// ErrDied says that a half of the pod ended by itself.
var ErrDied = errors.New("a half of the pod died")

// Run builds the pod, says that it is ready, and waits until ctx ends or a half dies. Then nothing of the pod is left running: pid 1
// of each half is killed, and with it, by the kernel, all of its namespace. The machine has time before to stop its containers.
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
	machine, err := build.start(machineHalf, build.groups.machine, nil, build.docker, build.said)
	if err != nil {
		return fmt.Errorf("cannot start the machine: %w", err)
	}
	defer machine.stop()
	link, err := machine.join(ctx, c, spec)
	if err != nil {
		return err
	}
	defer func() {
		machine.stop() // what ends in order keeps its network until then
		_ = link.Close()
	}()
	order := wire.Machine{GUID: spec.GUID, Autostart: spec.Autostart, Resolvers: spec.Network.Asked()}
	if err := machine.send(wire.TypeMachine, order); err != nil {
		return err
	}
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
