package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"os/user"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"forkgate/gate"
	"forkgate/gate/door"
	"forkgate/gate/warden"
	"forkgate/gate/warden/client"
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

func gateCommand() *cobra.Command {
	c := &cobra.Command{Use: "gate", Short: "speak SSH (an unprivileged user)", Args: words(0, 0)}
	var config door.Config
	addresses := c.Flags().StringSlice("listen", nil, "TCP addresses to listen on, such as :2222, beside the sockets that systemd passes")
	paths := c.Flags().StringSlice("socket", nil, "paths of unix sockets to listen on as well")
	place := c.Flags().String("warden", client.Socket, "the warden's socket")
	c.Flags().IntVar(&config.MaxStartups, "max-startups", 100, "connections that have not logged in yet, in all; as many again where somebody has logged in from lately")
	c.Flags().IntVar(&config.MaxPerSource, "max-startups-per-source", 10, "of these, from one IPv4 address or IPv6 /64; fewer while that pays for connections that came to nothing")
	exempt := c.Flags().StringSlice("penalty-exempt", nil, "addresses and networks that never pay for those, such as 192.0.2.7,10.0.0.0/8")
	c.Flags().DurationVar(&config.Report, "report", time.Minute, "how often the journal and the metrics hear of connections that came to nothing")
	c.Flags().DurationVar(&config.KeepAlive, "keepalive", time.Minute, "how often clients are asked whether they are still there; silence for three times as long ends a connection")
	c.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		if os.Geteuid() == 0 {
			return errors.New("the gate parses what strangers send, and does not run as root; use systemctl start forkgate-gate")
		}
		if config.Exempt, err = networks(*exempt); err != nil {
			return err
		}
		if config.MaxStartups < 1 || config.MaxPerSource < 1 || config.KeepAlive < time.Millisecond || config.Report < time.Millisecond {
			return errors.New("--max-startups and --max-startups-per-source are numbers from 1 on, --keepalive and --report times such as 1m")
		}
		debug.SetGCPercent(gcPercent)
		leaveProcessors()
		listeners, err := listeners(*addresses, *paths)
		if err != nil {
			return err
		}
		if err := systemd.Ready(); err != nil {
			return err
		}
		config.Dial, config.Log = door.DialSocket(*place), logger()
		return door.Serve(cmd.Context(), listeners, config)
	}
	return c
}

// networks reads addresses and networks. One in IPv4 that is written as IPv6 is the IPv4 one, as sources are.
func networks(words []string) (all []netip.Prefix, err error) {
	for _, w := range words {
		n, err := netip.ParsePrefix(w)
		if a, ok := netip.ParseAddr(w); ok == nil && a.Zone() == "" {
			a = a.Unmap()
			n, err = a.Prefix(a.BitLen())
		}
		if err != nil || n.Addr().Is4In6() {
			return nil, fmt.Errorf("--penalty-exempt: %q is no address or network; write it like 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32", w)
		}
		all = append(all, n)
	}
	return all, nil
}

// listeners are the sockets that systemd passed and those that the flags ask for.
func listeners(addresses, paths []string) (all []net.Listener, err error) {
	defer func() {
		if err != nil {
			for _, l := range all {
				l.Close()
			}
		}
	}()
	sockets := systemd.Inherited()
	defer sockets.Close()
	for name, files := range sockets {
		for range len(files) {
			l, err := sockets.Listener(name)
			if err != nil {
				return all, err
			}
			all = append(all, l)
		}
	}
	for _, a := range addresses {
		l, err := door.Listen(a)
		if err != nil {
			return all, err
		}
		all = append(all, l)
	}
	for _, path := range paths {
		l, err := listenUnix(path)
		if err != nil {
			return all, err
		}
		all = append(all, l)
	}
	if len(all) == 0 {
		return nil, errors.New("nowhere to listen: systemd passed no socket; use --listen :2222")
	}
	return all, nil
}

// listenUnix takes over the path of a gate that died, and leaves that of one that lives alone.
func listenUnix(path string) (net.Listener, error) {
	l, err := net.Listen("unix", path)
	if !errors.Is(err, syscall.EADDRINUSE) {
		return l, err
	}
	if c, err := net.Dial("unix", path); err == nil {
		c.Close()
		return nil, fmt.Errorf("cannot listen on %s: another gate does; stop that one first, or use another path", path)
	} else if !errors.Is(err, syscall.ECONNREFUSED) {
		return nil, err
	}
	if err := os.Remove(path); err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w", path, err)
	}
	return net.Listen("unix", path)
}

// leaveProcessors has the gate use half of the processors at once, unless GOMAXPROCS says otherwise: the others are for what runs in sessions,
// which waits for the gate, or the gate for it. With as many as there are, each message wakes one more thread, which finds nothing to do.
func leaveProcessors() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(max(1, runtime.GOMAXPROCS(0)/2))
	}
}
