package sftp

import (
	"fmt"
	"time"

	"forkgate/gate"
)

// asked is a request that has no answer yet.
type asked struct {
	may    byte                // the type of answer that it may have beside a status; 0: none, anyAnswer: whatever
	does   *gate.FileOperation // to be told of when it is answered; nil: that is not
	opens  *file
	of     *file // that it reads, writes, syncs or closes
	closes bool
	at     uint64 // of a read
	most   uint32 // bytes of a read
	cost   int    // bytes of paths
}

const anyAnswer = 255

// request takes in one packet of the client's.
func (d *Decoder) request(packet []byte) error {
	c := &cursor{rest: packet}
	kind := c.byte()
	if first := kind == typeInit; first == d.began {
		return fmt.Errorf("%w: a client says its version once, and first", ErrMalformed)
	}
	id := c.u32() // of the first one the version, which is the server's to judge
	if c.short {
		return fmt.Errorf("%w: a request of type %d is cut", ErrMalformed, kind)
	}
	if !d.began {
		d.began = true
		return nil
	}
	if _, twice := d.asked[id]; twice {
		return fmt.Errorf("%w: two requests have one number", ErrMalformed)
	}
	if len(d.asked) >= maxAsked {
		return fmt.Errorf("%w: %d requests without an answer", ErrBounds, maxAsked+1)
	}
	a, err := d.understand(kind, c)
	if err != nil {
		return err
	}
	if c.short {
		return fmt.Errorf("%w: a request of type %d is cut", ErrMalformed, kind)
	}
	if d.room < a.cost {
		return fmt.Errorf("%w: %d MiB of paths and contents", ErrBounds, maxRoom>>20)
	}
	d.room -= a.cost
	d.asked[id] = a
	return nil
}

func (d *Decoder) understand(kind byte, c *cursor) (*asked, error) {
	switch kind {
	case typeOpen:
		path := c.string()
		return opens(d.newFile(path, c.u32())), nil
	case typeOpendir:
		f := d.newFile(c.string(), 0)
		f.dir = true
		return opens(f), nil
	case typeClose, typeRead, typeWrite, typeFstat, typeFsetstat, typeReaddir:
		return d.byHandle(kind, c)
	case typeSetstat, typeRemove, typeMkdir, typeRmdir, typeRename, typeSymlink:
		return byPath(kind, c), nil
	case typeLstat, typeStat:
		c.string()
		return &asked{may: typeAttrs}, nil
	case typeRealpath, typeReadlink:
		c.string()
		return &asked{may: typeName}, nil
	case typeExtended:
		return d.extended(c)
	}
	return nil, fmt.Errorf("%w: type %d is no request", ErrMalformed, kind)
}

func opens(f *file) *asked { return &asked{may: typeHandle, opens: f, cost: len(f.path)} }

// does is a request for an operation on a path, or two. It is answered by a status.
func does(did string, path, to []byte) *asked {
	op := &gate.FileOperation{Did: did, Path: kept(path), To: kept(to), Began: time.Now()}
	return &asked{does: op, cost: len(op.Path) + len(op.To)}
}

func byPath(kind byte, c *cursor) *asked {
	path := c.string()
	switch kind {
	case typeSetstat:
		a := does(gate.FileSetstat, path, nil)
		a.does.Change = c.attributes().said
		return a
	case typeRemove:
		return does(gate.FileRemove, path, nil)
	case typeMkdir:
		return does(gate.FileMkdir, path, nil)
	case typeRmdir:
		return does(gate.FileRmdir, path, nil)
	case typeSymlink: // OpenSSH has them in this order, and not in the draft's (PROTOCOL, section 4.1)
		return does(gate.FileSymlink, path, c.string())
	}
	return does(gate.FileRename, path, c.string())
}

// file finds an open one by the handle that comes next. What is asked of a handle before the server has said it is somebody's guess, and
// would be done to a file that is not known yet.
func (d *Decoder) file(c *cursor) (*file, error) {
	f := d.open[string(c.string())]
	if f == nil || f.closing {
		return nil, fmt.Errorf("%w: a handle that is not open", ErrMalformed)
	}
	return f, nil
}

func (d *Decoder) byHandle(kind byte, c *cursor) (*asked, error) {
	f, err := d.file(c)
	if err != nil {
		return nil, err
	}
	switch kind {
	case typeClose:
		f.closing = true
		return &asked{of: f, closes: true}, nil
	case typeRead:
		f.waits++
		return &asked{may: typeData, of: f, at: c.u64(), most: c.u32()}, nil
	case typeWrite:
		f.waits++
		at := c.u64()
		f.out.take(at, c.string(), &d.room)
		return &asked{of: f}, nil
	case typeFsetstat:
		a := does(gate.FileSetstat, f.path, nil)
		to := c.attributes()
		a.does.Change = to.said
		if to.sizes && to.size != f.out.next {
			f.out.spoil(&d.room)
		}
		return a, nil
	case typeReaddir:
		return &asked{may: typeName}, nil
	}
	return &asked{may: typeAttrs}, nil // typeFstat
}

// extended is a request by name: PROTOCOL, section 4, and for copy-data draft-ietf-secsh-filexfer-extensions-00, section 7.
func (d *Decoder) extended(c *cursor) (*asked, error) {
	switch name := string(c.string()); name {
	case "posix-rename@openssh.com":
		return byPath(typeRename, c), nil
	case "hardlink@openssh.com":
		path := c.string()
		return does(gate.FileLink, path, c.string()), nil
	case "lsetstat@openssh.com":
		return byPath(typeSetstat, c), nil
	case "copy-data":
		return d.copies(c)
	case "fsync@openssh.com":
		f, err := d.file(c)
		if err != nil {
			return nil, err
		}
		f.waits++
		return &asked{of: f}, nil
	case "statvfs@openssh.com", "fstatvfs@openssh.com", "limits@openssh.com", "users-groups-by-id@openssh.com":
		return &asked{may: typeExtendedReply}, nil
	case "expand-path@openssh.com", "home-directory":
		return &asked{may: typeName}, nil
	default:
		a := does(gate.FileOther, nil, nil)
		a.may, a.does.Change = anyAnswer, gate.Exact(name[:min(len(name), 32)])
		return a, nil
	}
}

// copies is copy-data: what the server writes without having it of the client.
func (d *Decoder) copies(c *cursor) (*asked, error) {
	from, err := d.file(c)
	if err != nil {
		return nil, err
	}
	c.u64()
	c.u64()
	to, err := d.file(c)
	if err != nil {
		return nil, err
	}
	to.out.spoil(&d.room)
	return does(gate.FileCopy, from.path, to.path), nil
}
