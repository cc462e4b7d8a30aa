package doors

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// step is one thing to do. It has a path, and what becomes of the file; or a program to run, at once or when all is taken back, in the reverse order.
type step struct {
	path   string
	text   string      // of the file from now on
	mode   fs.FileMode // of one that is new; 0: 0600
	remove bool
	chmod  *fs.FileMode // the file's mode from now on, which may be 0, and nothing else
	was    string       // what text was made from; the file has to be that still
	out    members      // who is taken out of groups by it
	block  string       // what of text is ours, where the rest is the host's
	do     []string
	undo   []string
}

// members of groups, by group.
type members map[string][]string

// change is a step that was written down before it was made.
type change struct {
	Way   string   `json:"way"`
	Path  string   `json:"path,omitempty"`
	File  *file    `json:"file,omitempty"`  // as it was; nil: there was none
	After string   `json:"after,omitempty"` // SHA-256 of what was made of it; empty: nothing is left
	Chmod *uint32  `json:"chmod,omitempty"`
	Block string   `json:"block,omitempty"`
	Out   members  `json:"out,omitempty"`
	Dirs  []string `json:"dirs,omitempty"` // that had to be made for it
	Undo  []string `json:"undo,omitempty"`
}

// file is all of one that is put back.
type file struct {
	Text   []byte `json:"text,omitempty"`
	Mode   uint32 `json:"mode"` // st_mode
	UID    int    `json:"uid"`
	GID    int    `json:"gid"`
	Device uint64 `json:"device"`
	Inode  uint64 `json:"inode"`
	// Attributes are the extended ones, with access control lists and labels.
	Attributes map[string][]byte `json:"attributes,omitempty"`

	partly bool // Text is not all of it: it is too long, or no regular file
}

// ledger is what was changed and not yet taken back, the oldest first.
type ledger struct {
	Changes []change `json:"changes"`
	Pending *pending `json:"pending,omitempty"` // a closing that is not confirmed
}

// pending is a closing that is taken back unless it is confirmed.
type pending struct {
	First int       `json:"first"` // its first change
	Boot  string    `json:"boot"`
	Ticks uint64    `json:"ticks,omitempty"` // clock ticks after boot when all was changed; 0: not yet
	Until time.Time `json:"until"`
}

// book is the ledger on the disk, locked.
type book struct {
	ledger
	dir  string
	lock *os.File
}

// openBook locks the ledger and reads it. What was cut off is no ledger, and an error: nothing must be changed on top of what nobody can take back.
func (d *Doors) openBook() (*book, error) {
	dir := d.State
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot make %s: %w", dir, err)
	}
	lock, err := takeLock(filepath.Join(dir, "lock"), d.Proc, d.Queue)
	if err != nil {
		return nil, fmt.Errorf("cannot lock the ledger: %w", err)
	}
	b := &book{dir: dir, lock: lock}
	text, err := os.ReadFile(filepath.Join(dir, "ledger.json"))
	if err == nil {
		err = json.Unmarshal(text, &b.ledger)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		b.close()
		return nil, fmt.Errorf("cannot read the ledger: %w", err)
	}
	return b, nil
}

func (b *book) close() { b.lock.Close() }

// write puts the ledger on the disk. It returns when it is there.
func (b *book) write() error {
	text, err := json.MarshalIndent(b.ledger, "", " ")
	if err == nil {
		err = replace(filepath.Join(b.dir, "ledger.json"), text, func(f *os.File) error { return f.Chmod(0o600) })
	}
	if err != nil {
		return fmt.Errorf("cannot write the ledger: %w", err)
	}
	return nil
}

// drafts is the pattern of what a file is called while it is written. A name with ~ and a dot is none that sudo, cron or sshd read.
func drafts(name string) string {
	return filepath.Join(filepath.Dir(name), "."+filepath.Base(name)+".*.forkgate~")
}

// replace has a file be another one from one moment to the next.
func replace(name string, text []byte, dress func(*os.File) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(drafts(name)))
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	_, err = f.Write(text)
	for _, do := range []func() error{func() error { return dress(f) }, f.Sync, f.Close, func() error { return os.Rename(f.Name(), name) }, func() error { return syncDir(name) }} {
		if err == nil {
			err = do()
		}
	}
	return err
}

// putBack is replace, and writes over the file where there is no room for another: what is taken back may be an admin's way in.
func putBack(name string, text []byte, dress func(*os.File) error) error {
	err := replace(name, text, dress)
	if !errors.Is(err, unix.ENOSPC) && !errors.Is(err, unix.EDQUOT) {
		return err
	}
	was, wrong := os.ReadFile(name)
	f, failed := os.OpenFile(name, os.O_WRONLY|unix.O_NOFOLLOW, 0)
	if failed != nil || wrong != nil {
		return errors.Join(err, wrong, failed)
	}
	defer f.Close()
	// Either all of it is there, or what was: half a file would be nobody's.
	if err := unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, int64(max(len(text), 1))); err != nil && !errors.Is(err, unix.EOPNOTSUPP) {
		return fmt.Errorf("cannot write %s: %w", name, err)
	}
	if err := over(f, text); err != nil {
		return errors.Join(fmt.Errorf("cannot write %s: %w", name, err), over(f, was))
	}
	return errors.Join(dress(f), f.Sync())
}

func over(f *os.File, text []byte) error {
	_, err := f.WriteAt(text, 0)
	if err == nil {
		err = f.Truncate(int64(len(text)))
	}
	return err
}

func syncDir(name string) error {
	d, err := os.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// look reads a file with what is to be put back. It returns nil for one that is not there, and follows no link at the end.
func look(name string) (*file, error) {
	var s unix.Stat_t
	switch err := unix.Lstat(name, &s); {
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("cannot look at %s: %w", name, err)
	}
	f := &file{Mode: s.Mode, UID: int(s.Uid), GID: int(s.Gid), Device: s.Dev, Inode: s.Ino}
	if f.partly = s.Mode&unix.S_IFMT != unix.S_IFREG || s.Size > most; f.partly {
		return f, nil
	}
	text, err := os.ReadFile(name)
	if err == nil {
		f.Attributes, err = attributes(name)
	}
	f.Text = text
	return f, err
}

// attributes are all of a file's (xattr(7)).
func attributes(name string) (map[string][]byte, error) {
	text := make([]byte, 64<<10) // the kernel has no longer ones, and no longer lists of names
	n, err := unix.Llistxattr(name, text)
	if err != nil {
		if errors.Is(err, unix.EOPNOTSUPP) {
			err = nil
		}
		return nil, err
	}
	all := map[string][]byte{}
	for attribute := range strings.SplitSeq(strings.TrimSuffix(string(text[:n]), "\x00"), "\x00") {
		if attribute == "" {
			continue
		}
		n, err := unix.Lgetxattr(name, attribute, text)
		if err != nil {
			return nil, fmt.Errorf("cannot read %s of %s: %w", attribute, name, err)
		}
		all[attribute] = bytes.Clone(text[:n])
	}
	return all, nil
}

func sum(text []byte) string {
	s := sha256.Sum256(text)
	return hex.EncodeToString(s[:])
}

// is reports whether a file is what a change has made of it.
func (c change) is(now *file) bool {
	switch {
	case now == nil:
		return c.After == ""
	case c.Chmod != nil:
		return now.Device == c.File.Device && now.Inode == c.File.Inode && now.Mode&0o7777 == *c.Chmod
	}
	return c.After != "" && sum(now.Text) == c.After
}

// was reports whether a file is what it was.
func (c change) was(now *file) bool {
	if now == nil || c.File == nil {
		return now == nil && c.File == nil
	}
	return now.Mode == c.File.Mode && bytes.Equal(now.Text, c.File.Text)
}
