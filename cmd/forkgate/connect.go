package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

// connectCommand is for ssh's ProxyCommand, where a gate listens on a unix socket and there is neither nc nor socat.
func connectCommand() *cobra.Command {
	return &cobra.Command{
		Use: "connect SOCKET", Short: "join standard input and output with a unix socket", Args: words(1, 1), Hidden: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			conn, err := dialUnix(args[0])
			if err != nil {
				return fmt.Errorf("cannot connect to %s: %w; is the gate there up?", args[0], errors.Unwrap(err))
			}
			defer conn.Close()
			return join(cmd.Context(), conn, os.Stdin, os.Stdout)
		},
	}
}

// maxSocketPath is the longest path in a sockaddr_un (unix(7)).
const maxSocketPath = len(unix.RawSockaddrUnix{}.Path) - 1

// dialUnix connects to a path of any length: one that is too long for an address is named by way of its directory's descriptor.
func dialUnix(path string) (*net.UnixConn, error) {
	if len(path) > maxSocketPath {
		dir, err := os.OpenFile(filepath.Dir(path), unix.O_PATH|unix.O_DIRECTORY, 0)
		if err != nil {
			return nil, err
		}
		defer dir.Close()
		path = fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path))
	}
	return net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
}

// join carries bytes both ways until both ways have ended. The end of one is passed on, and leaves the other open. ctx ends both;
// a read of in that nobody can interrupt ends with the process.
func join(ctx context.Context, conn *net.UnixConn, in, out *os.File) error {
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	sent := make(chan error, 1)
	go func() { sent <- errors.Join(pour(conn, in), quiet(conn.CloseWrite())) }()
	err := errors.Join(pour(out, conn), closeOutput(out))
	select {
	case e := <-sent:
		return errors.Join(err, e)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func pour(to io.Writer, from io.Reader) error {
	_, err := io.Copy(to, from)
	return quiet(err)
}

// closeOutput ends the output for whoever reads it. Where input and output are one socket, closing a descriptor would not.
func closeOutput(out *os.File) error {
	err := unix.Shutdown(int(out.Fd()), unix.SHUT_WR)
	if errors.Is(err, unix.ENOTSOCK) {
		err = nil
	}
	return errors.Join(quiet(err), out.Close())
}

// quiet makes nothing of an error that says that the other side has gone: ssh speaks for itself.
func quiet(err error) error {
	for _, gone := range []error{syscall.EPIPE, syscall.ECONNRESET, syscall.ENOTCONN} {
		if errors.Is(err, gone) {
			return nil
		}
	}
	return err
}
