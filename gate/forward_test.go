package gate

import (
	"strings"
	"testing"
)

// A destination fits the operation that leads there, and nothing is longer than what takes it.
func TestDestination(t *testing.T) {
	port, socket := Destination{Host: "localhost", Port: 80}, Destination{Path: "/run/s"}
	for _, test := range []struct {
		op   Op
		to   Destination
		want string // what is wrong; empty: nothing
	}{
		{OpForwardLocal, port, ""},
		{OpForwardRemote, port, ""},
		{OpForwardUnix, socket, ""},
		{OpForwardUnix, Destination{Path: strings.Repeat("a", 107)}, ""},
		{OpForwardLocal, Destination{Host: strings.Repeat("a", 253), Port: 65535}, ""},
		{OpForwardLocal, Destination{}, "nowhere"},
		{OpForwardUnix, Destination{}, "nowhere"},
		{OpForwardLocal, socket, "nowhere"},
		{OpForwardUnix, port, "nowhere"},
		{OpForwardLocal, Destination{Host: "localhost"}, "nowhere"},
		{OpForwardLocal, Destination{Port: 80}, "nowhere"},
		{OpForwardUnix, Destination{Path: "/s", Port: 80}, "nowhere"},
		{OpForwardLocal, Destination{Host: strings.Repeat("a", 254), Port: 80}, "at most 253 bytes"},
		{OpForwardUnix, Destination{Path: strings.Repeat("a", 108)}, "at most 107 bytes"},
	} {
		if err := test.to.Check(test.op); (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s to %+v: %v", test.op, test.to, err)
		}
	}
	if port.Address() != "localhost:80" || port.Network() != "tcp" || socket.Address() != "/run/s" || socket.Network() != "unix" || (Destination{Host: "::1", Port: 80}).Address() != "[::1]:80" {
		t.Errorf("%s %s, %s %s", port.Network(), port.Address(), socket.Network(), socket.Address())
	}
}
