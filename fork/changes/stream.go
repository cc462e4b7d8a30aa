package changes

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// ErrStream says that a stream is none, or is cut off.
var ErrStream = errors.New("no stream of btrfs send")

// number is a command's, and attribute one of what it says.
type (
	number    uint16
	attribute uint16
)

// Those that count here (enum btrfs_send_cmd and the attributes of fs/btrfs/send.h).
const (
	subvol       number = 1
	snapshot     number = 2
	mkfile       number = 3
	mkdir        number = 4
	mknod        number = 5
	mkfifo       number = 6
	mksock       number = 7
	symlink      number = 8
	rename       number = 9
	link         number = 10
	unlink       number = 11
	rmdir        number = 12
	setXattr     number = 13
	removeXattr  number = 14
	write        number = 15
	clone        number = 16
	truncate     number = 17
	chmod        number = 18
	chown        number = 19
	utimes       number = 20
	end          number = 21
	updateExtent number = 22

	pathOf attribute = 15
	pathTo attribute = 16
	linkTo attribute = 17
)

const magic = "btrfs-stream\x00"

// maxCommand is more than a command without data has: names and an extended attribute, which is at most 64 KiB.
const maxCommand = 1 << 18

// deed is one command.
type deed struct {
	number number
	path   string
	other  string // where to, or what a link is to
}

// stream reads deeds.
type stream struct{ r *bufio.Reader }

func newStream(r io.Reader) (*stream, error) {
	s := &stream{bufio.NewReaderSize(r, 1<<16)}
	head := make([]byte, len(magic)+4)
	if _, err := io.ReadFull(s.r, head); err != nil || string(head[:len(magic)]) != magic {
		return nil, fmt.Errorf("%w: %w", ErrStream, errors.Join(err))
	}
	if version := binary.LittleEndian.Uint32(head[len(magic):]); version != 1 {
		return nil, fmt.Errorf("%w: its version is %d", ErrStream, version)
	}
	return s, nil
}

// next returns the next deed. What it has is what the kernel of this host has made: its checksum is for what travels.
func (s *stream) next() (d deed, err error) {
	var head [10]byte
	if _, err := io.ReadFull(s.r, head[:]); err != nil {
		return d, fmt.Errorf("%w: it is cut off: %w", ErrStream, err)
	}
	size := binary.LittleEndian.Uint32(head[:])
	if size > maxCommand {
		return d, fmt.Errorf("%w: a command of %d bytes", ErrStream, size)
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(s.r, body); err != nil {
		return d, fmt.Errorf("%w: it is cut off: %w", ErrStream, err)
	}
	d.number = number(binary.LittleEndian.Uint16(head[4:]))
	for len(body) > 0 {
		if len(body) < 4 {
			return d, fmt.Errorf("%w: half an attribute", ErrStream)
		}
		kind, length := attribute(binary.LittleEndian.Uint16(body)), int(binary.LittleEndian.Uint16(body[2:]))
		if body = body[4:]; length > len(body) {
			return d, fmt.Errorf("%w: half an attribute", ErrStream)
		}
		value := string(body[:length])
		switch body = body[length:]; kind {
		case pathOf:
			d.path = value
		case pathTo, linkTo:
			d.other = value
		}
	}
	return d, nil
}
