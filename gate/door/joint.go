package door

import (
	"io"
	"net"
	"sync/atomic"

	"golang.org/x/crypto/ssh"
)

// libraryBuffer is how much the library gathers of a packet before it writes (bufio's default). A packet that is longer comes as so much, and the rest.
const libraryBuffer = 4096

// joint sends such a packet in one piece: half as many system calls for who is sent much, and as many fewer segments for the client to wake up for.
//
// It is for AES-GCM, under which no packet ends where the library's buffer does, so that what is held is never the end of one: with the length before
// it, which is not encrypted, a packet is a multiple of 16 bytes and 4 (RFC 5647, section 7.2).
type joint struct {
	may atomic.Bool

	// Of the library, which writes one thing after the other.
	held   []byte // is sent with what comes next; empty: nothing is
	pieces [2][]byte
	all    net.Buffers
}

// agreed begins it, where that is the cipher.
func (j *joint) agreed(cipher string) {
	j.may.Store(cipher == ssh.CipherAES128GCM || cipher == ssh.CipherAES256GCM)
}

// write returns how much was written of p, or is held.
func (j *joint) write(to io.Writer, p []byte) (int, error) {
	if len(j.held) == 0 && len(p) == libraryBuffer && j.may.Load() {
		j.held = append(j.held, p...)
		return len(p), nil
	}
	if len(j.held) == 0 {
		return to.Write(p)
	}
	j.pieces = [2][]byte{j.held, p}
	j.all = j.pieces[:]
	n, err := j.all.WriteTo(to) // writev(2), where that is a socket
	n -= int64(len(j.held))
	j.held = j.held[:0]
	return int(max(n, 0)), err
}
