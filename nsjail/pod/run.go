package pod

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"forkgate/nsjail"
	"forkgate/nsjail/threads"
	"forkgate/nsjail/wire"
)

// Config is what the supervisor is told by its command line.
type Config struct {
	RunDir string
	GUID   string
	Init   string                  // path of the forkgate-init binary
	Print  func(from, line string) // what is printed in the pod: FromInit, FromDocker. The line can hold any bytes
	Ready  func() error            // tells the service manager

	Scrubber string                    // path of the forkgate-scrub binary
	Extend   func(time.Duration) error // tells the service manager that it takes so long to become ready
}

// ErrDied says that a half of the pod ended by itself.
var ErrDied = errors.New("a half of the pod died")

// Run builds the pod, says that it is ready, and waits until ctx ends or a half dies. Then nothing of the pod is left running: pid 1
// of each half is killed, and with it, by the kernel, all of its namespace. The machine has time before to stop its containers.
//
// A pod that is built ahead says that it is ready when all is built that does not depend on whose it is to be, and waits to be taken.
func Run(ctx context.Context, c Config) error {
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
	p := newPod(build, cancel)
	defer p.end(ctx)
	if !spec.Ahead {
		err = p.open(ctx, c, c.Ready)
	} else if err = p.prepare(); err == nil {
		err = p.await(ctx, c)
	}
	if err != nil && ctx.Err() == nil {
		return err
	}
	if err == nil {
		p.live(ctx, cancel)
	}
	if cause := context.Cause(ctx); errors.Is(cause, ErrDied) || errors.Is(cause, ErrHoards) {
		return errors.Join(cause, err) // where it had not begun, how far it came
	}
	return nil
}

// pod is the two halves.
type pod struct {
	*builder
	machine, sessions *half
	link              io.Closer // of the machine to the host; nil: none
}

func newPod(b *builder, end context.CancelCauseFunc) *pod {
	p := &pod{builder: b, machine: newHalf(machineHalf, b.groups.machine, nil, end, b.docker, b.said)}
	p.sessions = newHalf(sessionHalf, b.groups.sessions, p.machine, end, b.control)
	return p
}

// prepare builds what does not depend on whose pod it is to be.
func (p *pod) prepare() error {
	return together(
		func() error { return p.builder.prepare(p.machine) },
		func() error { return p.builder.prepare(p.sessions) },
	)
}

// open builds all that is not built yet, lets callers in and says so. Side by side: what takes time is to load the inits' programs.
func (p *pod) open(ctx context.Context, c Config, ready func() error) error {
	err := together(
		func() error { return p.startMachine(ctx, c) },
		p.startSessions,
		func() error { threads.Reserve(); return nil }, // before anybody is let in who could leave no room for one
	)
	if err != nil {
		return err
	}
	return errors.Join(p.nameControl(c.RunDir), ready())
}

// startMachine gives the machine its link to the host, where the pod has one, before it is told what it is for.
func (p *pod) startMachine(ctx context.Context, c Config) (err error) {
	if err := p.construct(p.machine); err != nil {
		return err
	}
	order := wire.Machine{GUID: p.spec.GUID, Autostart: p.spec.Autostart, Resolvers: p.spec.Network.Asked(), Scrub: p.spec.Scrub}
	if len(order.Scrub) > 0 { // while nothing can leave the pod
		if err := p.scrub(c, order); err != nil {
			return err
		}
	}
	if p.link, err = p.machine.join(ctx, c, p.spec); err != nil {
		return err
	}
	if len(order.Scrub) == 0 {
		if err := p.machine.send(wire.TypeMachine, order); err != nil {
			return err
		}
	}
	return p.machine.expect(wire.TypeReady)
}

// scrub has the machine do what has to be done to the copy, and notes down what came of it.
func (p *pod) scrub(c Config, order wire.Machine) error {
	tool, err := sealedCopy(c.Scrubber)
	if err != nil {
		return err
	}
	defer tool.Close()
	if err := errors.Join(c.Extend(wire.ScrubTime+handshake), p.machine.send(wire.TypeMachine, order, tool)); err != nil {
		return err
	}
	var done wire.Scrubbed
	if err := p.machine.hear(wire.TypeScrubbed, wire.ScrubTime+handshake, &done); err != nil {
		return err
	}
	if err := nsjail.WriteScrubbed(c.RunDir, c.GUID, done); err != nil {
		return err
	}
	if done.Error != "" {
		return fmt.Errorf("cannot scrub pod %s: %.400q", c.GUID, done.Error)
	}
	return nil
}

func (p *pod) startSessions() error {
	if err := p.construct(p.sessions); err != nil {
		return err
	}
	return p.sessions.expect(wire.TypeReady)
}

// live waits until ctx ends, or end is called because the pod is one that the host cannot bear.
func (p *pod) live(ctx context.Context, end context.CancelCauseFunc) {
	var watch sync.WaitGroup
	watch.Go(func() { p.watchTerminals(ctx, end) })
	<-ctx.Done()
	watch.Wait()
}

// end leaves nothing running.
func (p *pod) end(ctx context.Context) {
	p.sessions.giveUp()
	p.sessions.kill()
	p.machine.giveUp()
	if errors.Is(context.Cause(ctx), ErrHoards) {
		p.machine.kill() // others wait for what it holds
	}
	p.machine.stop()
	if p.link != nil { // what ends in order keeps its network until then
		_ = p.link.Close()
	}
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
