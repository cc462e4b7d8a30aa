package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"os/user"
	"runtime/debug"
	"strconv"
	"sync"
	"syscall"

	"github.com/spf13/cobra"

	"forkgate/gate"
	"forkgate/gate/warden"
	"forkgate/nsjail"
	"forkgate/nsjail/network"
	"forkgate/systemd"
)

func wardenCommand() *cobra.Command {
	c := &cobra.Command{Use: "warden", Short: "decide, fork and start pods (root)", Args: words(0, 0)}
	config := warden.Config{Version: fullVersion()}
	c.Flags().StringVar(&config.Pool, "pool", poolDir, "where the pool is mounted")
	c.Flags().StringVar(&config.State, "state", stateDir, "directory of the registry, the host keys and the audit log")
	c.Flags().StringVar(&config.RunDir, "run", nsjail.RunDir, "directory of sockets and pods")
	c.Flags().StringVar(&config.PolicyPlace, "policy", policyDir, "directory of the policy")
	door := c.Flags().String("gate-user", gateUser, "user that the gate runs as")
	outlet := c.Flags().String("egress-user", egressUser, "user that forkgate-egress runs as")
	c.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		if err := needRoot("the warden"); err != nil {
			return err
		}
		if config.DoorUID, err = lookUp(*door); err != nil {
			return err
		}
		debug.SetGCPercent(gcPercent)
		reload := make(chan os.Signal, 1)
		signal.Notify(reload, syscall.SIGHUP)
		defer signal.Stop(reload)
		config.Reload = reload
		config.Journal = logger()
		if config.Egress, err = lookUp(*outlet); err != nil {
			config.Journal.Warn("no pod gets out by name", "error", err)
		}
		watch, err := newPolicyWatch(config.PolicyPlace, config.Journal)
		if err != nil {
			return fmt.Errorf("cannot watch the policy: %w", err)
		}
		ctx, stop := context.WithCancel(cmd.Context())
		var watching sync.WaitGroup
		defer watching.Wait()
		defer stop()
		changed := make(chan struct{}, 1)
		watching.Go(func() { watch.run(ctx, changed) })
		config.Changed = changed
		config.Policy = func() (warden.Policy, error) {
			p, err := loadPolicy(config.PolicyPlace, false, pastNames(config.State)...)
			if err != nil {
				return nil, err
			}
			if err := keepNames(config.State, p.Past()); err != nil {
				config.Journal.Error("the policy's names are not kept: if one is taken out that is a letter away from another, the policy will not load", "file", namesIn(config.State), "error", err)
			}
			return p, nil
		}
		sockets := systemd.Inherited()
		defer sockets.Close()
		config.Door, _ = sockets.Take("warden")
		config.Operator, _ = sockets.Take("operator")
		return warden.Run(ctx, config)
	}
	return c
}

// netCommand keeps the rules of pods' networks. It is hidden: nobody but systemd has a use for it.
func netCommand() *cobra.Command {
	c := &cobra.Command{Use: "net", Short: "keep the rules of pods' networks (root)", Args: words(0, 0), Hidden: true}
	config := network.Config{Ready: systemd.Ready}
	c.Flags().StringVar(&config.RunDir, "run", nsjail.RunDir, "directory of sockets and pods")
	c.Flags().StringVar(&config.Range, "range", network.DefaultRange, "private IPv4 range, in which each pod has a /30; change it while no pod runs")
	c.Flags().StringVar(&config.Range6, "range6", "", "unique local IPv6 range (fd00::/8), in which each pod has a /127; none: pods have no IPv6. Change it while no pod runs")
	c.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		// First, and by an exit code of its own, after which the unit is not started again.
		if err := config.Check(); err != nil {
			return &gate.Refusal{Reason: err.Error(), Hint: "systemctl edit forkgate-net; then systemctl restart forkgate-net"}
		}
		if err := needRoot("the network of pods"); err != nil {
			return err
		}
		sockets := systemd.Inherited()
		defer sockets.Close()
		if config.Socket, err = sockets.Take("net"); err != nil {
			return fmt.Errorf("%w; use systemctl start forkgate-net", err)
		}
		config.Log = logger()
		return network.Serve(cmd.Context(), config)
	}
	return c
}

// gcPercent lets the services' heaps, which are small, grow further between collections than Go does by default: nearly all of what
// a login or a transfer allocates is garbage a moment later.
const gcPercent = 400

func needRoot(what string) error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("%s runs as root; use sudo", what)
	}
	return nil
}

// lookUp finds the uid of a service's user.
func lookUp(name string) (uid uint32, err error) {
	u, err := user.Lookup(name)
	if err != nil {
		return 0, fmt.Errorf("there is no user %s; make one with: useradd --system %[1]s", name)
	}
	id, err := strconv.ParseUint(u.Uid, 10, 32)
	return uint32(id), err
}

func logger() *slog.Logger { return systemd.Log(os.Stderr, slog.LevelInfo) }
