package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"forkgate/gate/archive"
	"forkgate/gate/audit"
	"forkgate/gate/page"
)

// replayInBrowser serves the page of recordings on loopback until it is interrupted. It opens with one of them, if session names one.
func replayInBrowser(cmd *cobra.Command, from *shelf, listen, session string) error {
	at, err := netip.ParseAddrPort(listen)
	if err != nil || !at.Addr().IsLoopback() {
		return fmt.Errorf("%q is no address and port of loopback; write it like 127.0.0.1:8400, or 127.0.0.1:0 for any port that is free", listen)
	}
	if from.state == stateDir {
		if err := needRoot("reading recordings"); err != nil {
			return err
		}
	}
	config, err := pageOf(from)
	if err != nil {
		return err
	}
	if session != "" {
		r, err := from.find(cmd, session)
		if err != nil {
			return err
		}
		session = r.Session
	}
	l, err := new(net.ListenConfig).Listen(cmd.Context(), "tcp", listen)
	if err != nil {
		return fmt.Errorf("cannot serve recordings: %w; --listen names another port", err)
	}
	return servePage(cmd.Context(), cmd.OutOrStdout(), page.New(config), l, session)
}

// servePage says where the page is, and when it is no longer there.
func servePage(ctx context.Context, out io.Writer, s *page.Server, l net.Listener, session string) error {
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "http://%s%s\n\nWhoever has this address sees all recordings. From another machine: ssh -L %s:%s, and the same address there.\nCtrl-C ends it.\n",
		l.Addr(), s.Path(session), port, l.Addr())
	if err := s.Serve(ctx, l); err != nil {
		return fmt.Errorf("cannot serve recordings: %w", err)
	}
	fmt.Fprintln(out, "ended: the address leads nowhere any more")
	return nil
}

// pageOf shows what is in a state directory, and decrypts what there are keys to.
func pageOf(from *shelf) (page.Config, error) {
	keys, err := from.keys()
	if err != nil {
		return page.Config{}, err
	}
	return page.Config{
		List: func(skip func(path string, err error)) ([]archive.Recording, error) {
			return archive.List(archive.Dir(from.state), skip, keys...)
		},
		Open: func(r archive.Recording) (io.ReadCloser, error) {
			f, err := os.Open(r.File)
			if err != nil {
				return nil, fmt.Errorf("cannot open the recording: %w", err)
			}
			return f, nil
		},
		Read: from.open,
		Live: func(session string) bool { return filepath.Base(session) == session && runs(session)() },
		Log:  audit.NewIndex(audit.In(from.state).Dir),
	}, nil
}
