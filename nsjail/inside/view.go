package inside

import (
	"errors"
	"fmt"
	"os"
	"path"

	"golang.org/x/sys/unix"

	"forkgate/nsjail/mount"
)

// arrangeView makes of the half's tree what one session sees of it. The order matters: each step hides what a later one no
// longer needs.
func arrangeView(home string, pts *os.File) (err error) {
	root, err := os.OpenFile("/", unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return fmt.Errorf("cannot open the root: %w", err)
	}
	v := &view{root: root, open: []*os.File{root, pts}}
	defer v.close()
	// The caller's own home and /tmp are taken out before everybody's are covered.
	ownHome := v.clone(path.Join("home", home))
	ownTmp := v.clone(path.Join("tmp", home))
	varTmp := v.clone(path.Join("tmp", home))
	v.attach(v.placeFor(home), "home")
	v.attach(ownHome, path.Join("home", home))
	v.attach(ownTmp, "tmp")
	v.attach(varTmp, "var/tmp")
	v.attach(v.tmpfs("755"), "run")
	// devpts, shared memory, message queues and proc of the session's own: it was born into new ipc and pid namespaces.
	v.attach(pts, "dev/pts")
	v.attach(v.tmpfs("1777"), "dev/shm")
	v.attach(v.keep(mount.New("mqueue", mount.NoSUID|mount.NoDev|mount.NoExec)), "dev/mqueue")
	v.attach(v.keep(newProc()), "proc")
	if v.err != nil {
		return v.err
	}
	// Masks come last: with a masked proc in sight the kernel lets nobody mount a fresh one.
	return mask(root)
}

// view is a tree being rearranged. After the first error it does nothing more.
type view struct {
	root *os.File
	open []*os.File
	err  error
}

func (v *view) close() {
	for _, f := range v.open {
		f.Close()
	}
}

// keep takes note of a new mount or of the error.
func (v *view) keep(mnt *os.File, err error) *os.File {
	if err != nil {
		v.err = errors.Join(v.err, err)
		return nil
	}
	v.open = append(v.open, mnt)
	return mnt
}

func (v *view) clone(name string) *os.File {
	return v.keep(mount.Clone(v.root, name, mount.NoSUID|mount.NoDev))
}

func (v *view) tmpfs(mode string) *os.File {
	return v.keep(mount.New("tmpfs", mount.NoSUID|mount.NoDev, mount.Option{Key: "mode", Value: mode},
		mount.Option{Key: "size", Value: "50%"}, mount.Option{Key: "nr_inodes", Value: "1m"}))
}

// placeFor is a read-only directory with one empty directory in it.
func (v *view) placeFor(name string) *os.File {
	place := v.tmpfs("755")
	if v.err != nil {
		return nil
	}
	if err := unix.Mkdirat(int(place.Fd()), name, 0o700); err != nil {
		v.err = fmt.Errorf("cannot make a place for the home: %w", err)
		return nil
	}
	v.err = mount.SetReadOnly(place)
	return place
}

// attach mounts at a place below the root. No link is followed; mounts are, because all of those in sight are the
// supervisor's or our own.
func (v *view) attach(mnt *os.File, on string) {
	if v.err != nil {
		return
	}
	place, err := openInView(v.root, on)
	if err != nil {
		v.err = err
		return
	}
	defer place.Close()
	v.err = mount.Attach(mnt, place)
}

func openInView(root *os.File, name string) (*os.File, error) {
	fd, err := unix.Openat2(int(root.Fd()), name, &unix.OpenHow{
		Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS,
	})
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	return os.NewFile(uintptr(fd), name), nil
}

// newProc makes a proc of the caller's pid namespace in which nobody sees a process of another user. (subset=pid would hide
// more, and break ps and free.)
func newProc() (*os.File, error) {
	return mount.New("proc", mount.NoSUID|mount.NoDev|mount.NoExec, mount.Option{Key: "hidepid", Value: "invisible"})
}

// masked is what a session has no business with, of what the kernel shows to every user.
var masked = []string{
	"proc/acpi", "proc/asound", "proc/kcore", "proc/keys", "proc/latency_stats", "proc/sched_debug", "proc/scsi",
	"proc/timer_list", "proc/timer_stats", "sys/firmware", "sys/devices/virtual/powercap",
}

// frozen is what a session may read and not write, whatever the files' modes say.
var frozen = []string{"proc/bus", "proc/fs", "proc/irq", "proc/sys", "proc/sysrq-trigger"}

func mask(root *os.File) error {
	for _, name := range masked {
		if err := maskOne(root, name); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	for _, name := range frozen {
		if err := freezeOne(root, name); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

func maskOne(root *os.File, name string) error {
	on, err := openInView(root, name)
	if err != nil {
		return err
	}
	defer on.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(on.Fd()), &st); err != nil {
		return fmt.Errorf("cannot look at %s: %w", name, err)
	}
	var cover *os.File
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		cover, err = mount.New("tmpfs", mount.ReadOnly|mount.NoSUID|mount.NoDev|mount.NoExec, mount.Option{Key: "mode", Value: "555"})
	} else {
		cover, err = mount.Clone(root, "dev/null", 0)
	}
	if err != nil {
		return err
	}
	defer cover.Close()
	return mount.Attach(cover, on)
}

func freezeOne(root *os.File, name string) error {
	on, err := openInView(root, name)
	if err != nil {
		return err
	}
	defer on.Close()
	cover, err := mount.Clone(on, "", mount.ReadOnly)
	if err != nil {
		return err
	}
	defer cover.Close()
	return mount.Attach(cover, on)
}
