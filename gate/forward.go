package gate

import (
	"net"
	"strconv"
)

// Destination is where a forward leads, inside the pod: a host and a port, as the client names them, or the path of a unix socket. The zero
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

// IsForward reports whether the operation carries bytes to or from somewhere inside, and runs nothing.
func (o Op) IsForward() bool {
	return o == OpForwardLocal || o == OpForwardRemote || o == OpForwardUnix
}
