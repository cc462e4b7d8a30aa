package sftp

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// What ends reading along.
var (
	ErrMalformed = errors.New("this is no SFTP")
	ErrBounds    = errors.New("more at once than is kept track of")
	ErrOver      = errors.New("the session is over")
)

// Types of packets, section 3 of the draft.
const (
	typeInit          = 1
	typeVersion       = 2
	typeOpen          = 3
	typeClose         = 4
	typeRead          = 5
	typeWrite         = 6
	typeLstat         = 7
	typeFstat         = 8
	typeSetstat       = 9
	typeFsetstat      = 10
	typeOpendir       = 11
	typeReaddir       = 12
	typeRemove        = 13
	typeMkdir         = 14
	typeRmdir         = 15
	typeRealpath      = 16
	typeStat          = 17
	typeRename        = 18
	typeReadlink      = 19
	typeSymlink       = 20
	typeStatus        = 101
	typeHandle        = 102
	typeData          = 103
	typeName          = 104
	typeAttrs         = 105
	typeExtended      = 200
	typeExtendedReply = 201
)

// maxPacket is what OpenSSH takes for a packet at most, its length left out (SFTP_MAX_MSG_LENGTH, sftp-common.h).
const maxPacket = 256 << 10

// splitter cuts a stream into packets. It keeps no more than one that has not come whole.
type splitter struct{ held []byte }

// next returns the first packet that p completes, without its length, and what comes behind it. The packet is nil where p completes none;
// else it is good until the next call.
func (s *splitter) next(p []byte) (packet, rest []byte, err error) {
	if len(s.held) == 0 { // what is whole is not copied
		whole, err := measure(p)
		if err != nil {
			return nil, nil, err
		}
		if whole > 0 && len(p) >= whole {
			return p[4:whole], p[whole:], nil
		}
	}
	p = s.fill(p, 4)
	whole, err := measure(s.held)
	if err != nil || whole == 0 {
		return nil, nil, err
	}
	if p = s.fill(p, whole); len(s.held) < whole {
		return nil, nil, nil
	}
	packet, s.held = s.held[4:], s.held[:0]
	return packet, p, nil
}

func (s *splitter) fill(p []byte, upTo int) (rest []byte) {
	n := min(len(p), max(0, upTo-len(s.held)))
	s.held = append(s.held, p[:n]...)
	return p[n:]
}

// measure is how long the packet is that begins here, with its length; 0: that cannot be told yet.
func measure(p []byte) (int, error) {
	if len(p) < 4 {
		return 0, nil
	}
	n := binary.BigEndian.Uint32(p)
	if n < 1 || n > maxPacket {
		return 0, fmt.Errorf("%w: a packet of %d bytes", ErrMalformed, n)
	}
	return 4 + int(n), nil
}

// cursor reads a packet's fields. Behind its end it reads zeros, and is short.
type cursor struct {
	rest  []byte
	short bool
}

func (c *cursor) take(n uint32) []byte {
	if uint64(n) > uint64(len(c.rest)) {
		c.rest, c.short = nil, true
		return nil
	}
	taken := c.rest[:n]
	c.rest = c.rest[n:]
	return taken
}

func (c *cursor) byte() byte {
	if b := c.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (c *cursor) u32() uint32 {
	if b := c.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (c *cursor) u64() uint64 { return uint64(c.u32())<<32 | uint64(c.u32()) }

func (c *cursor) string() []byte { return c.take(c.u32()) }
