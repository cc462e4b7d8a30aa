package doors

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// apply writes a step down, and then makes it.
func (d *Doors) apply(ctx context.Context, b *book, way string, s step) error {
	c, err := d.plan(way, s)
	if err != nil {
		return err
	}
	if c.Path != "" || len(c.Undo) > 0 {
		b.Changes = append(b.Changes, c)
		if err := b.write(); err != nil {
			return err
		}
	}
	switch {
	case c.Path != "":
		err = d.make(c, s)
	case len(s.do) > 0:
		_, err = d.Host.Run(ctx, s.do...)
	}
	if err != nil {
		return fmt.Errorf("cannot close %s: %w", way, err)
	}
	return nil
}

// plan is what a step comes to, and all that it takes to go back.
func (d *Doors) plan(way string, s step) (change, error) {
	c := change{Way: way, Path: s.path, Undo: s.undo, Block: s.block, Out: s.out}
	if s.path == "" {
		return c, nil
	}
	if real, err := filepath.EvalSymlinks(d.Root + s.path); err == nil && s.text != "" { // the link stays
		c.Path = strings.TrimPrefix(real, d.Root)
	}
	var err error
	if c.File, err = look(d.Root + c.Path); err != nil {
		return c, err
	}
	for dir := filepath.Dir(c.Path); ; dir = filepath.Dir(dir) {
		if _, err := os.Lstat(d.Root + dir); err == nil {
			break
		}
		c.Dirs = append(c.Dirs, dir)
	}
	switch {
	case s.chmod != nil && c.File == nil:
		return c, fmt.Errorf("%s is gone", c.Path)
	case s.chmod != nil:
		mode := uint32(*s.chmod)
		c.Chmod, c.File.Text = &mode, nil
	case c.File != nil && c.File.partly: // a link that leads nowhere is not replaced either
		return c, fmt.Errorf("%s cannot be written down as it is, and stays", c.Path)
	case s.was != "" && (c.File == nil || string(c.File.Text) != s.was):
		return c, fmt.Errorf("%s: %w", c.Path, errChanged)
	case !s.remove:
		c.After = sum([]byte(s.text))
	}
	return c, nil
}

// errChanged is why a file is left alone that somebody else works on.
var errChanged = errors.New("somebody else has changed it just now; once more")

// make changes a file, where it is what was written down.
func (d *Doors) make(c change, s step) error {
	unlock, locked := d.lockAccounts(c.Path)
	defer unlock()
	if !locked {
		return errors.New("somebody else changes accounts just now")
	}
	name := d.Root + c.Path
	if s.chmod != nil {
		return chmod(name, c.File, *c.Chmod)
	}
	if now, err := look(name); err != nil || !c.was(now) {
		return errors.Join(fmt.Errorf("%s: %w", c.Path, errChanged), err)
	}
	if s.remove {
		return errors.Join(os.Remove(name), syncDir(name))
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	as := file{Mode: uint32(s.mode), UID: os.Getuid(), GID: os.Getgid()}
	if as.Mode == 0 {
		as.Mode = 0o600
	}
	if c.File != nil {
		as = *c.File
	}
	return replace(name, []byte(s.text), as.dress)
}

// lockAccounts keeps others that change accounts out, as lckpwdf(3) does. The second result says whether that was to be had.
func (d *Doors) lockAccounts(name string) (unlock func(), locked bool) {
	if name != "/etc/group" && name != "/etc/gshadow" {
		return func() {}, true
	}
	f, err := os.OpenFile(d.Root+"/etc/.pwd.lock", os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return func() {}, false
	}
	err = unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK})
	return func() { f.Close() }, err == nil
}

// dress gives a file the owner, the mode and the attributes that it is to have.
func (f file) dress(to *os.File) error {
	err := errors.Join(to.Chown(f.UID, f.GID), unix.Fchmod(int(to.Fd()), f.Mode&0o7777))
	for attribute, value := range f.Attributes {
		err = errors.Join(err, unix.Fsetxattr(int(to.Fd()), attribute, value, 0))
	}
	return err
}

// chmod changes the mode of one file and no other, whatever has its name by now: it may lie where everybody writes.
func chmod(name string, was *file, mode uint32) error {
	fd, err := unix.Openat2(unix.AT_FDCWD, name, &unix.OpenHow{Flags: unix.O_PATH | unix.O_NOFOLLOW | unix.O_CLOEXEC})
	if err != nil {
		return fmt.Errorf("cannot open %s: %w", name, err)
	}
	defer unix.Close(fd)
	var s unix.Stat_t
	if err := unix.Fstat(fd, &s); err != nil {
		return err
	}
	if s.Dev != was.Device || s.Ino != was.Inode || int(s.Uid) != was.UID || s.Mode&unix.S_IFMT == unix.S_IFLNK {
		return fmt.Errorf("%s is another file by now", name)
	}
	return unix.Chmod(fmt.Sprintf("/proc/self/fd/%d", fd), mode)
}

// final is why something is not taken back, where to try again would change nothing.
type final struct{ error }

// errLater is in what failed when something is still to be taken back: it stays in the ledger, and trying again may do.
var errLater = errors.New("it is tried again, or: forkgate doors --undo")

// takeBack undoes changes from one on, the newest first. What fails stays in the ledger, and the rest is done. What cannot be taken back at all is told of once.
func (d *Doors) takeBack(ctx context.Context, b *book, first int) error {
	var left []change
	var failed error
	for i := len(b.Changes) - 1; i >= first; i-- {
		c := b.Changes[i]
		err := d.takeOne(ctx, c)
		failed = errors.Join(failed, err)
		if f := (final{}); err != nil && !errors.As(err, &f) {
			left = append([]change{c}, left...)
		}
	}
	b.Changes = append(b.Changes[:first:first], left...)
	if len(left) > 0 {
		failed = errors.Join(failed, errLater)
	}
	return failed
}

func (d *Doors) takeOne(ctx context.Context, c change) error {
	if len(c.Undo) == 0 {
		return d.restore(c)
	}
	_, err := d.Host.Run(ctx, c.Undo...)
	const noSuchUnit = 5 // systemctl(1), EXIT STATUS
	if code := (*exec.ExitError)(nil); c.Undo[0] == "systemctl" && errors.As(err, &code) && code.ExitCode() == noSuchUnit {
		return final{err}
	}
	return err
}

func (d *Doors) restore(c change) error {
	unlock, _ := d.lockAccounts(c.Path) // what is taken back waits for nobody: it may be the admin's own way in
	defer unlock()
	name := d.Root + c.Path
	halves, _ := filepath.Glob(drafts(name)) // what a power cut has left of replace
	for _, half := range halves {
		_ = os.Remove(half)
	}
	now, err := look(name)
	switch {
	case err != nil:
		return err
	case c.was(now):
		return d.removeDirs(c)
	case c.Chmod != nil && (now == nil || now.Inode != c.File.Inode || now.Device != c.File.Device): // a socket that was made anew
		return nil
	case c.Chmod != nil:
		return chmod(name, c.File, c.File.Mode&0o7777)
	case !c.is(now):
		return d.cutOut(c, now)
	case c.File == nil:
		return errors.Join(os.Remove(name), syncDir(name), d.removeDirs(c))
	}
	err = putBack(name, c.File.Text, c.File.dress)
	if err != nil && len(c.File.Attributes) > 0 { // what is taken back may be an admin's way in, and a label is none
		plain := *c.File
		plain.Attributes = nil
		err = putBack(name, plain.Text, plain.dress)
	}
	return err
}

// cutOut takes what is ours out of a file that somebody has changed since. Where that cannot be told from the rest it stays as it is: nobody's work is undone but
// ours.
func (d *Doors) cutOut(c change, now *file) error {
	if now != nil && c.Block != "" && strings.Count(string(now.Text), c.Block) == 1 {
		return putBack(d.Root+c.Path, []byte(strings.Replace(string(now.Text), c.Block, "", 1)), now.dress)
	}
	if now != nil && len(c.Out) > 0 {
		return putBack(d.Root+c.Path, []byte(within(string(now.Text), d.stillThere(c.Out))), now.dress)
	}
	saved := filepath.Join(d.State, "before"+strings.ReplaceAll(c.Path, "/", "."))
	if c.File == nil {
		return final{fmt.Errorf("%s was changed after it was made, and stays", c.Path)}
	}
	if err := os.WriteFile(saved, c.File.Text, 0o600); err != nil {
		return fmt.Errorf("cannot save what %s was: %w", c.Path, err)
	}
	return final{fmt.Errorf("%s was changed since, and stays as it is; %s is what it was", c.Path, saved)}
}

// stillThere are the members who have accounts still.
func (d *Doors) stillThere(all members) members {
	a, err := d.Host.accounts()
	there := members{}
	for group, names := range all {
		for _, name := range names {
			if _, known := a.find(name); known || err != nil || a.elsewhere != "" {
				there[group] = append(there[group], name)
			}
		}
	}
	return there
}

// removeDirs removes the directories that were made for a file, where nobody has put something else there.
func (d *Doors) removeDirs(c change) error {
	for _, dir := range c.Dirs {
		_ = os.Remove(d.Root + dir)
	}
	return nil
}
