package sftp

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"
)

// contents are what goes over the wire of a file, in one direction. Clients have many reads and writes under way at once: what comes
// before its turn waits, as long as there is room.
type contents struct {
	sum     hash.Hash // nil until something comes
	next    uint64    // up to where the file's beginning is whole
	size    uint64    // bytes in all
	ahead   map[uint64][]byte
	most    uint64 // of how much there is a sum
	partial bool   // it is not the file's beginning, each byte once, or more than there is a sum of
}

// perPiece is what a piece that waits takes beside its bytes.
const perPiece = 128

// take takes in a piece at its offset. room is what the session may still keep.
func (c *contents) take(at uint64, p []byte, room *int) {
	c.size += uint64(len(p))
	_, twice := c.ahead[at]
	switch {
	case c.partial || len(p) == 0:
	case at > c.most || uint64(len(p)) > c.most-at:
		c.spoil(room)
	case at == c.next:
		c.add(p)
		c.catchUp(room)
	case at < c.next || twice || *room < len(p)+perPiece:
		c.spoil(room)
	default:
		if c.ahead == nil {
			c.ahead = map[uint64][]byte{}
		}
		*room -= len(p) + perPiece
		c.ahead[at] = append([]byte(nil), p...)
	}
}

func (c *contents) add(p []byte) {
	if c.sum == nil {
		c.sum = sha256.New()
	}
	c.sum.Write(p)
	c.next += uint64(len(p))
}

// catchUp adds what has waited for its turn.
func (c *contents) catchUp(room *int) {
	for {
		at := c.next
		p, ok := c.ahead[at]
		if !ok {
			return
		}
		c.add(p)
		delete(c.ahead, at)
		*room += len(p) + perPiece
	}
}

// spoil gives up what would be needed for a sum.
func (c *contents) spoil(room *int) {
	c.partial, c.sum = true, nil
	for _, p := range c.ahead {
		*room += len(p) + perPiece
	}
	c.ahead = nil
}

// finish returns the sum, in hex; empty where there is none.
func (c *contents) finish(room *int) string {
	if len(c.ahead) > 0 {
		c.spoil(room)
	}
	if c.partial {
		return ""
	}
	if c.sum == nil {
		c.sum = sha256.New()
	}
	return hex.EncodeToString(c.sum.Sum(nil))
}
