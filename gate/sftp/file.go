package sftp

import (
	"bytes"
	"fmt"
	"time"

	"forkgate/gate"
)

// Flags of an open, section 6.3 of the draft.
const (
	openWrite  = 0x02
	openAppend = 0x04
	openCreate = 0x08
	openTrunc  = 0x10
)

// file is one that is open, or is to be.
type file struct {
	handle  string
	path    []byte
	dir     bool
	flags   uint32 // of the open
	began   time.Time
	in, out contents
	waits   int    // reads and writes without an answer
	failed  string // what the server said first that was not well; empty: nothing
	closing bool
	cost    int
}

func (d *Decoder) newFile(path []byte, flags uint32) *file {
	f := &file{path: kept(path), flags: flags, began: time.Now(), in: contents{most: d.most}, out: contents{most: d.most}}
	f.out.partial = flags&openAppend != 0 // wherever the client says that it writes, it goes to the end
	return f
}

func (f *file) fails(word string) {
	if f.failed == "" {
		f.failed = word
	}
}

// kept is as much of a path as is kept.
func kept(path []byte) []byte { return bytes.Clone(path[:min(len(path), gate.MaxFilePath)]) }

// opened takes in the handle by which the client speaks of a file from now on. What its path costs is the file's.
func (d *Decoder) opened(a *asked, handle []byte) error {
	f := a.opens
	if _, there := d.open[string(handle)]; there || len(handle) == 0 || len(handle) > maxHandle {
		return fmt.Errorf("%w: a handle of %d bytes, or one that is open already", ErrMalformed, len(handle))
	}
	if len(d.open) >= maxOpen {
		return fmt.Errorf("%w: %d handles", ErrBounds, maxOpen+1)
	}
	f.handle, f.cost = string(handle), a.cost
	d.open[f.handle] = f
	return nil
}

// closed reports what was done to a file.
func (d *Decoder) closed(f *file, word string) error {
	if f.waits > 0 {
		return fmt.Errorf("%w: a file is closed before all that is asked of it is answered", ErrMalformed)
	}
	if word != gate.FileOK {
		f.fails(word)
	}
	if f.failed != "" {
		word = f.failed
	}
	delete(d.open, f.handle)
	d.room += f.cost
	return d.tell(d.operations(f, word))
}

// operations are what was done to a file that was opened.
func (d *Decoder) operations(f *file, outcome string) (all []gate.FileOperation) {
	op := gate.FileOperation{Path: f.path, Outcome: outcome, Began: f.began}
	if f.dir {
		op.Did = gate.FileList
		return []gate.FileOperation{op}
	}
	writes := f.flags&(openWrite|openAppend|openCreate|openTrunc) != 0 || f.out.size > 0
	if writes {
		all = append(all, d.moved(op, gate.FileWrite, &f.out))
	}
	if !writes || f.in.size > 0 {
		all = append(all, d.moved(op, gate.FileRead, &f.in))
	}
	return all
}

// moved says of an operation what has gone over. Of what did not go well there is no sum: nobody knows what of it is in the file.
func (d *Decoder) moved(op gate.FileOperation, did string, c *contents) gate.FileOperation {
	sum := c.finish(&d.room)
	op.Did, op.Size = did, c.size
	nothing := c.size == 0 && (did == gate.FileRead || op.Outcome != gate.FileOK)
	if op.Outcome == gate.FileOK && !nothing {
		op.SHA256 = sum
	}
	op.Partial = op.SHA256 == "" && !nothing
	return op
}
