package sftp

import (
	"fmt"
	"strings"
)

// Flags of attributes, section 5 of the draft.
const (
	attrSize        = 0x00000001
	attrOwner       = 0x00000002
	attrPermissions = 0x00000004
	attrTimes       = 0x00000008
	attrExtended    = 0x80000000
)

// attributes are what a setstat changes.
type attributes struct {
	said  string
	size  uint64
	sizes bool // it sets the size
}

// attributes reads them. Extended ones, which no server of version 3 knows, are only said to be there.
func (c *cursor) attributes() (a attributes) {
	var said []string
	flags := c.u32()
	if flags&attrSize != 0 {
		a.size, a.sizes = c.u64(), true
		said = append(said, fmt.Sprintf("size %d", a.size))
	}
	if flags&attrOwner != 0 {
		said = append(said, fmt.Sprintf("owner %d:%d", c.u32(), c.u32()))
	}
	if flags&attrPermissions != 0 {
		said = append(said, fmt.Sprintf("mode %04o", c.u32()&0o7777))
	}
	if flags&attrTimes != 0 {
		c.u64()
		said = append(said, "times")
	}
	if flags&attrExtended != 0 {
		said = append(said, "extended attributes")
	}
	a.said = strings.Join(said, ", ")
	return a
}
