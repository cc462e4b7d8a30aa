package gate

import (
	"errors"
	"fmt"
	"net"
	"strconv"
)

// AnyHost is the host by which something listens on every address.
const AnyHost = "*"

// Destination is where a forward leads, or listens, inside the pod: a host and a port, as the client names them, or the path of a unix socket. The zero
// Destination leads nowhere.
type Destination struct {
	Host string `json:"host,omitempty"` // a name or an address; any bytes
	Port uint16 `json:"port,omitempty"`
	Path string `json:"path,omitempty"` // any bytes
}

// Network is what Go's package net calls the kind of it: tcp or unix.
func (d Destination) Network() string {
	if d.Path != "" {
		return "unix"
	}
	return "tcp"
}

// Address is what goes with that.
func (d Destination) Address() string {
	if d.Path != "" {
		return d.Path
	}
	return net.JoinHostPort(d.Host, strconv.Itoa(int(d.Port)))
}

// Longer than this is no name of a host (RFC 1035 section 2.3.4), and no path of a socket (unix(7)).
const maxHost, maxSocketPath = 253, 107

// Check refuses what an operation cannot lead to: a port of a host for forward-local, a socket for forward-unix, and for forward-remote either
// of them. There port 0 is any that is free, and the host * every address.
func (d Destination) Check(op Op) error {
	host, socket := d.Host != "" && d.Path == "", d.Host == "" && d.Port == 0 && d.Path != ""
	switch {
	case op == OpForwardLocal && host && d.Port != 0, op == OpForwardUnix && socket, op == OpForwardRemote && (host || socket):
	default:
		return errors.New("it leads nowhere")
	}
	switch {
	case len(d.Host) > maxHost:
		return fmt.Errorf("a host's name has at most %d bytes, this one has %d", maxHost, len(d.Host))
	case len(d.Path) > maxSocketPath:
		return fmt.Errorf("a socket's path has at most %d bytes, this one has %d", maxSocketPath, len(d.Path))
	}
	return nil
}

// IsForward reports whether the operation carries bytes to or from somewhere inside, and runs nothing.
func (o Op) IsForward() bool {
	return o == OpForwardLocal || o == OpForwardRemote || o == OpForwardUnix
}
