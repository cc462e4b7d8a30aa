package audit

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"forkgate/gate"
)

// In says where a log is below a state directory: its files, its key, and the copy of its newest anchor.
func In(state string) Options {
	return Options{Dir: filepath.Join(state, "audit"), Key: filepath.Join(state, "audit.key"), Copy: filepath.Join(state, "audit.anchor")}
}

const (
	// current is a link to the file that is being written.
	current = "audit.jsonl"
	// unchained is what a log from before there were chains becomes.
	unchained = 0
	// maxFile is how long a file gets.
	maxFile = 64 << 20
	// reserve is how much room is set aside for lines to come: some ten thousand.
	reserve = 4 << 20
	// maxLine is how long a line can be: a command is 128 KiB at most, and grows when it is escaped.
	maxLine = 4 << 20
)

// appendFlag is FS_APPEND_FL, linux/fs.h.
const appendFlag = 0x20

func fileName(number int) string { return fmt.Sprintf("audit-%06d.jsonl", number) }

// numbers lists the log's files in a directory.
func numbers(dir string) (all []int, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("cannot list the audit log's files: %w", err)
	}
	for _, e := range entries {
		var n int
		if _, err := fmt.Sscanf(e.Name(), "audit-%d.jsonl", &n); err == nil && fileName(n) == e.Name() {
			all = append(all, n)
		}
	}
	slices.Sort(all)
	return all, nil
}

// Open opens the log, and goes on where it ends. What a crash has cut in two is named, and so is a log that ends before what was signed.
func Open(o Options, journal *slog.Logger) (_ *Log, err error) {
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot open the audit log: %w", err)
	}
	l := &Log{
		dir: o.Dir, copy: o.Copy, appendOnly: o.Append, syslog: o.Syslog, journal: journal, now: time.Now, maxSize: maxFile,
		refusals: sums{own: ownLines}, files: sums{own: gate.FileLines}, egress: sums{own: ownEgress},
	}
	if l.lock, err = claim(o.Dir); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			l.lock.Close()
		}
	}()
	if l.key, err = openKey(o.Key); err != nil {
		return nil, err
	}
	if err := setOldAside(o.Dir); err != nil {
		return nil, err
	}
	all, err := numbers(o.Dir)
	if err != nil {
		return nil, err
	}
	l.number = 1
	if len(all) > 0 {
		l.number = max(all[len(all)-1], 1)
	}
	if err := l.open(); err != nil {
		return nil, err
	}
	if err := l.resume(); err != nil {
		return nil, errors.Join(err, l.file.Close())
	}
	return l, nil
}

// claim keeps a second writer out, who would break the chain, until the file is closed.
func claim(dir string) (*os.File, error) {
	lock, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("cannot open the audit log: %w", err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot open the audit log: somebody writes it already: %w", err), lock.Close())
	}
	return lock, nil
}

// setOldAside keeps a log from before there were chains as the file before the first.
func setOldAside(dir string) error {
	old := filepath.Join(dir, current)
	info, err := os.Lstat(old)
	if err != nil || !info.Mode().IsRegular() {
		return nil
	}
	if err := os.Rename(old, filepath.Join(dir, fileName(unchained))); err != nil {
		return fmt.Errorf("cannot set the old audit log aside: %w", err)
	}
	return nil
}

// open opens the file of the log's number, and has current lead to it.
func (l *Log) open() error {
	name := fileName(l.number)
	file, err := os.OpenFile(filepath.Join(l.dir, name), os.O_RDWR|os.O_APPEND|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
	if err != nil {
		return fmt.Errorf("cannot open the audit log: %w", err)
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New(name + " is no regular file")
	}
	if err == nil {
		err = link(l.dir, name)
	}
	if err == nil {
		err = syncDir(l.dir)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("cannot open the audit log: %w", err), file.Close())
	}
	l.file, l.size, l.reserved = file, info.Size(), info.Size()
	if l.appendOnly {
		l.setAppendOnly()
	}
	return nil
}

func link(dir, name string) error {
	path := filepath.Join(dir, current)
	if to, err := os.Readlink(path); err == nil && to == name {
		return nil
	}
	_ = os.Remove(path + ".new")
	if err := os.Symlink(name, path+".new"); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// AppendOnly has the kernel refuse all but appending, to root as well as long as he does not take the attribute off (chattr(1)).
func AppendOnly(f *os.File) error {
	flags, err := unix.IoctlGetInt(int(f.Fd()), unix.FS_IOC_GETFLAGS)
	if err == nil && flags&appendFlag == 0 {
		err = unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, flags|appendFlag)
	}
	return err
}

func (l *Log) setAppendOnly() {
	if err := AppendOnly(l.file); err != nil {
		l.journal.Info("the audit log is not append-only: its filesystem knows no such attribute, or the warden may not set it", "error", err)
	}
}

// next begins another file. All of the last one is on the disk first.
func (l *Log) next() error {
	if err := unix.Fdatasync(int(l.file.Fd())); err != nil {
		return l.fail(err)
	}
	last := l.file
	l.number++
	if err := l.open(); err != nil {
		l.number--
		return err
	}
	l.retired = append(l.retired, last)
	return nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

// setAside sets room aside behind the file's end, where others' data cannot get. Where it is not to be had, what is left of the last is used.
func (l *Log) setAside() {
	if l.reserved-l.size >= reserve/2 {
		return
	}
	err := unix.Fallocate(int(l.file.Fd()), unix.FALLOC_FL_KEEP_SIZE, l.size, reserve)
	switch {
	case err == nil:
		l.reserved = l.size + reserve
	case errors.Is(err, unix.EOPNOTSUPP):
		l.reserved = l.size + maxFile // nothing to be set aside here, and no use asking again
	default:
		l.journal.Error("no room can be set aside for the audit log", "error", err)
	}
}
