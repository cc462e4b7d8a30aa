package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"forkgate/gate/door"
	"forkgate/gate/warden/client"
	"forkgate/systemd"
)

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
		tuneHeap()
		leaveProcessors()
		config.Dial, config.Log = door.DialSocket(*place), logger()
		sockets, err := begin(cmd.Context(), *addresses, *paths, config)
		if err != nil {
			return err
		}
		return serve(cmd.Context(), sockets, config)
	}
	c.AddCommand(gateReloadCommand())
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

// listen are the sockets that systemd passed and those that the flags ask for.
func listen(addresses, paths []string) (all []net.Listener, err error) {
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
