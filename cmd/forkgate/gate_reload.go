package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"

	"github.com/spf13/cobra"

	"forkgate/gate"
	"forkgate/gate/door"
	"forkgate/gate/succession"
	"forkgate/systemd"
)

// What a gate's sockets are for, where one hands them to another.
const (
	forClients = "ssh"
	forReload  = "reload"
)

// reloadName is where a gate is asked to be succeeded, in the unit's own network, where nobody else is.
const reloadName = "forkgate-gate"

func gateReloadCommand() *cobra.Command {
	return &cobra.Command{
		Use: "reload", Short: "have the gate that runs be succeeded by the program as it is now", Args: words(0, 0),
		Long: `Has the gate that runs start the program as it lies on the disk now, with the options that it has itself, and hand it the sockets that it listens
on. The new gate serves who comes from then on; the old one serves the connections that it has until they end by themselves, and then ends. Nobody is
refused meanwhile. Where the new one does not come up, or cannot speak with the warden, within half a minute, the old one goes on as before, and this
command fails and says why.

It is what systemctl reload forkgate-gate runs, within the unit; nobody else has a use for it. What has changed in the unit itself, its options
included, takes systemctl restart forkgate-gate, which ends all connections. Sources owe the new gate nothing, whatever they owed the old one.`,
		RunE: func(*cobra.Command, []string) error {
			if os.Geteuid() == 0 {
				return &gate.Refusal{Reason: "the gate is not root's to ask", Hint: "systemctl reload forkgate-gate"}
			}
			if err := succession.Ask(reloadName); err != nil {
				return fmt.Errorf("the gate goes on as it was: %w", err)
			}
			return nil
		},
	}
}

// begin has this gate accept from now on: by the sockets of the gate that started it, or where it is told to listen.
func begin(ctx context.Context, addresses, paths []string, config door.Config) (succession.Sockets, error) {
	heir, err := succession.Born()
	if err != nil {
		return nil, err
	}
	if heir != nil {
		return succeed(ctx, heir, config)
	}
	listeners, err := listen(addresses, paths)
	if err != nil {
		return nil, err
	}
	sockets := succession.Sockets{forClients: listeners}
	if systemd.Watched() {
		l, err := succession.Listen(reloadName)
		if err != nil {
			config.Log.Warn("this gate has to be restarted where it could be reloaded", "error", err)
		} else {
			sockets[forReload] = append(sockets[forReload], l)
		}
	}
	return sockets, systemd.Ready()
}

// succeed takes over from another gate, once the warden has answered: one that cannot speak with it would refuse everybody.
func succeed(ctx context.Context, heir *succession.Heir, config door.Config) (succession.Sockets, error) {
	sockets, err := heir.Take()
	if err != nil {
		return nil, err
	}
	if err = askWarden(ctx, config); err != nil {
		err = fmt.Errorf("the warden does not answer this gate, version %s: %w", version, err)
		heir.Refuse(err)
	} else {
		err = heir.Serve()
	}
	if err != nil {
		sockets.Close()
		return nil, err
	}
	config.Log.Info("serves who comes from now on", "version", fullVersion())
	return sockets, nil
}

func askWarden(ctx context.Context, config door.Config) error {
	w, err := config.Dial(ctx)
	if err != nil {
		return err
	}
	defer w.Close()
	_, err = w.HostKeys(ctx)
	return err
}

// serve serves until ctx ends or, once another gate has succeeded this one, the last connection has.
func serve(ctx context.Context, sockets succession.Sockets, config door.Config) error {
	yield := make(chan struct{})
	config.Yield = yield
	asked, enough := context.WithCancel(ctx)
	var awaiting sync.WaitGroup
	defer awaiting.Wait()
	defer enough()
	for _, l := range sockets[forReload] {
		awaiting.Go(func() {
			succession.Await(asked, l, func(ctx context.Context) error {
				if err := handOver(ctx, sockets, config.Log); err != nil {
					return err
				}
				close(yield)
				return nil
			})
		})
	}
	return door.Serve(ctx, sockets[forClients], config)
}

// handOver starts a successor. It has this one's options.
func handOver(ctx context.Context, sockets succession.Sockets, log *slog.Logger) error {
	program, err := os.Executable() // as it was when this process began: it may have been replaced since
	if err != nil {
		return err
	}
	pid, err := succession.Succeed(ctx, sockets, succession.Config{
		Program: program, Args: os.Args, Sibling: systemd.Watched(), Announce: systemd.MainPID,
	})
	if err != nil {
		log.Error("this gate goes on: it has no successor", "error", err)
		return err
	}
	log.Info("another gate has succeeded this one", "successor", pid, "version", fullVersion())
	return nil
}
