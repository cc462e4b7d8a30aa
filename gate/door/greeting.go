package door

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"
)

// maxVersion is how long a version may be that the library takes, its end included.
const maxVersion = 255

var errNoVersion = errors.New("the client's first line is no version of SSH 2")

// greet exchanges versions (RFC 4253, section 4.2) in the library's place, which reads the client's again: who speaks no SSH costs neither a key
// exchange nor a question to the warden. It waits for the client's as long as the handshake may take.
func (c *connection) greet() error {
	greeting := []byte(serverVersion + "\r\n")
	if _, err := c.Write(greeting); err != nil {
		return err
	}
	c.said = greeting
	c.ack.arm()
	version, err := c.peekLine()
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(version, []byte("SSH-2.0-")) && !bytes.HasPrefix(version, []byte("SSH-1.99-")) {
		return errNoVersion
	}
	c.versionLength = len(version)
	return nil
}

// peekLine waits for the client's first line. It stays to be read.
func (c *connection) peekLine() ([]byte, error) {
	for have := 0; have < maxVersion; have = c.reader.Buffered() {
		if _, err := c.reader.Peek(have + 1); err != nil {
			return nil, err
		}
		line, _ := c.reader.Peek(min(c.reader.Buffered(), maxVersion))
		if end := bytes.IndexByte(line, '\n'); end >= 0 {
			return line[:end+1], nil
		}
	}
	return nil, errNoVersion
}

const (
	// near is up to which round trip a client's first packet is waited for. Further away what is agreed on matters less than the time.
	near = 5 * time.Millisecond
	// firstPacketTime is how long that may take. Nobody has to send it before ours (RFC 4253, section 7.1), and everybody does.
	firstPacketTime = 50 * time.Millisecond
)

// suitableCiphers are those to offer a client, by what that offers itself: its order decides, and OpenSSH's client before 10 puts AES-CTR, with a
// MAC over it, before AES-GCM, which takes half of the time. Who is far away, or sends nothing, or what is no key exchange, is offered all.
func (c *connection) suitableCiphers() []string {
	all := ciphers()
	if !hasAES() || c.roundTrip() > near {
		return all
	}
	_ = c.Conn.SetReadDeadline(time.Now().Add(firstPacketTime))
	defer func() { _ = c.Conn.SetReadDeadline(time.Time{}) }()
	theirs, ok := c.peekCiphers(c.versionLength)
	if !ok {
		return all
	}
	fast := slices.DeleteFunc(slices.Clone(all), func(name string) bool { return !strings.Contains(name, "gcm") || !theirs.has(name) })
	if len(fast) == 0 {
		return all
	}
	return fast
}

// roundTrip is what the kernel has measured as the connection was made; zero for what is not TCP.
func (c *connection) roundTrip() (rtt time.Duration) {
	if c.ack.socket == nil {
		return 0
	}
	_ = c.ack.socket.Control(func(fd uintptr) {
		if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			rtt = time.Duration(info.Rtt) * time.Microsecond
		}
	})
	return rtt
}

// offeredCiphers are what a client offers for each direction.
type offeredCiphers struct{ up, down []string }

func (o offeredCiphers) has(name string) bool {
	return slices.Contains(o.up, name) && slices.Contains(o.down, name)
}

// peekCiphers waits for the first packet, which is not encrypted, and reads it: RFC 4253, sections 6 and 7.1.
func (c *connection) peekCiphers(after int) (theirs offeredCiphers, ok bool) {
	head, err := c.reader.Peek(after + 5)
	if err != nil {
		return theirs, false
	}
	length, padding := binary.BigEndian.Uint32(head[after:]), uint32(head[after+4])
	// What does not fit would leave the deadline's error to the library.
	if length > uint32(c.reader.Size()-after-4) || padding+1 > length {
		return theirs, false
	}
	packet, err := c.reader.Peek(after + 4 + int(length))
	if err != nil {
		return theirs, false
	}
	return parseCiphers(packet[after+5 : len(packet)-int(padding)])
}

// parseCiphers reads the payload of a key exchange's first message.
func parseCiphers(payload []byte) (theirs offeredCiphers, ok bool) {
	var m struct {
		Cookie                 [16]byte `sshtype:"20"`
		Exchanges, HostKeys    []string
		CiphersUp, CiphersDown []string
		Rest                   []byte `ssh:"rest"`
	}
	if err := ssh.Unmarshal(payload, &m); err != nil {
		return theirs, false
	}
	return offeredCiphers{m.CiphersUp, m.CiphersDown}, true
}
