package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"forkgate/gate/provenance"
	"forkgate/gate/provenance/attestor"
	"forkgate/systemd"
)

func runCommand() *cobra.Command {
	c := &cobra.Command{Use: "run", Args: cobra.NoArgs, Short: "answer ssh (root; started by systemd)"}
	config := configFlag(c)
	key := c.Flags().String("key", keyFile, "the key that init made")
	socket := c.Flags().String("socket", socketFile, "where to listen, unless systemd passes a socket")
	sysctl := c.Flags().String("sysctl", sysctlDir, "where kernel settings are read")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := needRoot("the attestor"); err != nil {
			return err
		}
		log := systemd.Log(cmd.ErrOrStderr(), slog.LevelInfo)
		loaded, agents, err := load(*config)
		if err != nil {
			return err
		}
		signer, err := attestor.LoadKey(*key)
		if err != nil {
			return err
		}
		listener, err := listen(*socket)
		if err != nil {
			return err
		}
		defer listener.Close()
		reload := make(chan os.Signal, 1)
		signal.Notify(reload, syscall.SIGHUP)
		defer signal.Stop(reload)
		return attestor.Serve(cmd.Context(), attestor.Options{
			Config: loaded, Agents: agents, Key: signer, Listen: listener, Socket: *socket, Sys: os.DirFS(*sysctl), Log: log, Ready: systemd.Ready,
			Reload: reload, Load: func() (attestor.Config, []provenance.Agent, error) { return load(*config) },
		})
	}
	return c
}

// listen takes the socket that systemd passes, or makes one that everybody may connect to.
func listen(path string) (*net.UnixListener, error) {
	sockets := systemd.Inherited()
	defer sockets.Close()
	l, err := sockets.Listener("attest")
	if errors.Is(err, systemd.ErrNoSocket) {
		return listenAt(path)
	}
	if err != nil {
		return nil, err
	}
	unix, ok := l.(*net.UnixListener)
	if !ok {
		l.Close()
		return nil, errors.New("the socket that systemd passes is no unix socket; see forkgate-attest.socket")
	}
	return unix, nil
}

func listenAt(path string) (*net.UnixListener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("cannot listen: %w", err)
	}
	address := &net.UnixAddr{Name: path, Net: "unix"}
	l, err := net.ListenUnix("unix", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		// That of one that has died is taken over, that of one that lives is not.
		if c, err := net.DialUnix("unix", nil, address); err == nil {
			c.Close()
			return nil, fmt.Errorf("another attestor listens on %s; stop that one first", path)
		}
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("cannot listen on %s: %w", path, err)
		}
		l, err = net.ListenUnix("unix", address)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w", path, err)
	}
	if err := os.Chmod(path, 0o666); err != nil { // who connects is judged by what it is
		l.Close()
		return nil, fmt.Errorf("cannot listen on %s: %w", path, err)
	}
	return l, nil
}
