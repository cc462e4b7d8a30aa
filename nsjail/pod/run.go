package pod

import (
	"context"
	"errors"
	"io"
	"sync"

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
	var link io.Closer
	machine := newHalf(machineHalf, build.groups.machine, nil, build.docker, build.said)
	sessions := newHalf(sessionHalf, build.groups.sessions, machine, build.control)
	defer func() {
		sessions.kill()
		if errors.Is(context.Cause(ctx), ErrHoards) {
			machine.kill() // others wait for what it holds
		}
		machine.stop()
		if link != nil { // what ends in order keeps its network until then
			_ = link.Close()
		}
	}()
	// Side by side: what takes time is to load their programs.
	err = together(
		func() (err error) {
			link, err = build.startMachine(ctx, c, machine)
			return err
		},
		func() error { return build.start(sessions) },
	)
	if err != nil {
		return err
	}
	for _, h := range []*half{machine, sessions} {
		go h.watch(cancel)
	}
	var watch sync.WaitGroup
	defer watch.Wait()
	defer cancel(nil)
	watch.Go(func() { build.watchTerminals(ctx, cancel) })
	if err := c.Ready(); err != nil {
		return err
	}
	<-ctx.Done()
	if cause := context.Cause(ctx); errors.Is(cause, ErrDied) || errors.Is(cause, ErrHoards) {
		return cause
	}
	return nil
}

// startMachine gives the machine its link to the host, where the pod has one, before it is told what it is for.
func (b *builder) startMachine(ctx context.Context, c Config, machine *half) (link io.Closer, err error) {
	if err := b.construct(machine); err != nil {
		return nil, err
	}
	if link, err = machine.join(ctx, c, b.spec); err != nil {
		return nil, err
	}
	order := wire.Machine{GUID: b.spec.GUID, Autostart: b.spec.Autostart, Resolvers: b.spec.Network.Asked()}
	if err := machine.send(wire.TypeMachine, order); err != nil {
		return link, err
	}
	return link, machine.expect(wire.TypeReady)
}

// together waits until all are done.
func together(all ...func() error) error {
	var group sync.WaitGroup
	errs := make([]error, len(all))
	for i, do := range all {
		group.Go(func() { errs[i] = do() })
	}
	group.Wait()
	return errors.Join(errs...)
}
