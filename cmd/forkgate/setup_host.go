package main

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"forkgate/cmd/forkgate/doors"
	"forkgate/cmd/forkgate/setup"
	"forkgate/fork"
	"forkgate/fork/adopt"
	"forkgate/gate/audit"
	"forkgate/gate/policy"
)

func thisHost(out io.Writer) (*setup.Host, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("cannot find this program: %w", err)
	}
	return &setup.Host{
		Root: "/", Self: self, Out: out, Pools: hostPools{}, Ports: hostPorts{}, Doors: hostDoors{}, Projects: hostProjects{}, Login: awaitLogin, Principals: principalsHere,
		Run: func(ctx context.Context, argv ...string) error {
			c := exec.CommandContext(ctx, argv[0], argv[1:]...)
			c.Stdout, c.Stderr = out, os.Stderr
			c.Cancel = func() error { return c.Process.Signal(os.Interrupt) } // it takes back what it has half done
			c.WaitDelay = time.Minute
			// What is not to be interrupted is not by the terminal either, which would tell all that is in its foreground.
			c.SysProcAttr = &syscall.SysProcAttr{Setsid: ctx.Done() == nil}
			return c.Run()
		},
		Output: func(ctx context.Context, argv ...string) (string, error) {
			text, err := exec.CommandContext(ctx, argv[0], argv[1:]...).Output()
			return string(text), err
		},
	}, nil
}

// untilHangup is for what somebody waits for: it ends when the terminal goes away, or who reads what is said there, but not below nohup(1).
func untilHangup(ctx context.Context) (context.Context, context.CancelFunc) {
	if signal.Ignored(syscall.SIGHUP) {
		return context.WithCancel(ctx)
	}
	return signal.NotifyContext(ctx, syscall.SIGHUP, syscall.SIGPIPE)
}

// hostPools are this host's.
type hostPools struct{}

func (hostPools) Device(ctx context.Context, path string) error { return fork.CheckDevice(ctx, path) }

func (hostPools) Size(size string) error {
	bytes, err := parseSize(size)
	if err != nil {
		return err
	}
	return fork.CheckFile(stateDir, bytes)
}

// principalsHere are those of the installed policy, as it is on the disk.
func principalsHere() ([]string, error) {
	p, err := loadPolicy(policyDir, false, pastOf(false)...)
	if err != nil {
		return nil, err
	}
	return p.Names(), nil
}

// hostPorts are this host's.
type hostPorts struct{}

// Taken is false where it cannot be seen: taking the port says what is the matter.
func (hostPorts) Taken() bool {
	taken, err := doors.New().PortTaken()
	return taken && err == nil
}

func (hostPorts) Take(ctx context.Context, port uint16, sshd netip.AddrPort, patience time.Duration) error {
	d := doors.New()
	d.Patience = patience
	_, err := d.TakePort(ctx, port, sshd)
	return err
}

func (hostPorts) Keep(ctx context.Context) error { return doors.New().Keep(ctx) }

// hostDoors are this host's.
type hostDoors struct{}

// Kept is false where it cannot be seen: closing them says what is the matter.
func (hostDoors) Kept() bool {
	kept, err := doors.New().Kept()
	return kept && err == nil
}

func (hostDoors) Settled(ctx context.Context) (bool, error) { return doors.New().Settled(ctx) }

// hostProjects are this host's.
type hostProjects struct{}

func (hostProjects) Known(ctx context.Context, dir string) (bool, error) {
	return adopt.Known(ctx, hostDocker{}, dir)
}

// awaitLogin reads along in the record until the gate has let a principal in.
func awaitLogin(ctx context.Context, who string, after time.Time) error {
	log, err := audit.NewReader(filepath.Join(stateDir, "audit"))
	if err != nil {
		return err
	}
	for {
		lines, err := log.Read()
		if err != nil {
			return err
		}
		for _, l := range lines {
			e := l.Entry
			if e.Time.After(after) && e.Principal == who && e.Door == policy.DoorSSH && (e.Event == audit.EventVerb || e.Event == audit.EventStarted) {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second / 2):
		}
	}
}
