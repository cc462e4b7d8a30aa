package sftp

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// A client that is refused all gets a version, and then the reason for each request, however its packets are cut.
func TestRefuse(t *testing.T) {
	const hello, stat = "\x00\x00\x00\x05\x01\x00\x00\x00\x03", "\x00\x00\x00\x0a\x11\x00\x00\x00\x07\x00\x00\x00\x01."
	const version, denied = "\x00\x00\x00\x05\x02\x00\x00\x00\x03", "\x00\x00\x00\x15\x65\x00\x00\x00\x07\x00\x00\x00\x03\x00\x00\x00\x02no\x00\x00\x00\x02en"
	for _, c := range []struct {
		name, asks, want string
		err              error
	}{
		{"nothing", "", "", nil},
		{"two requests", hello + stat + stat, version + denied + denied, nil},
		{"half a request", hello + stat[:6], version, nil},
		{"requests without end", hello + strings.Repeat(stat, 1000), version + strings.Repeat(denied, maxRefusals-1), nil},
		{"a packet of no length", hello + "\x00\x00\x00\x00", version, ErrMalformed},
		{"a request without an id", hello + "\x00\x00\x00\x03\x11\x00\x00", version, ErrMalformed},
		{"an enormous one", "\x7f\xff\xff\xff\x11", "", ErrMalformed},
	} {
		for cut, reader := range map[string]io.Reader{"whole": strings.NewReader(c.asks), "cut": iotest.OneByteReader(strings.NewReader(c.asks))} {
			var said bytes.Buffer
			err := Refuse(struct {
				io.Reader
				io.Writer
			}{reader, &said}, "no")
			if said.String() != c.want || !errors.Is(err, c.err) {
				t.Errorf("%s, %s: %q, %v", c.name, cut, said.String(), err)
			}
		}
	}
}
