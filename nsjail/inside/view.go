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
func arrangeView(home string, pts *os.File) error {
	root, err := os.OpenFile("/", unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return fmt.Errorf("cannot open the root: %w", err)
	}
	defer root.Close()
	// The caller's own home and /tmp are taken out before everybody's are covered.
	ownHome, err := mount.Clone(root, path.Join("home", home), mount.NoSUID|mount.NoDev)
	if err != nil {
		return err
	}
	ownTmp, err := mount.Clone(root, path.Join("tmp", home), mount.NoSUID|mount.NoDev)
	if err != nil {
		return err
	}
	varTmp, err := mount.Clone(root, path.Join("tmp", home), mount.NoSUID|mount.NoDev)
	if err != nil {
		return err
	}
	homes, err := newTmpfs("755")
	if err != nil {
		return err
	}
	if err := unix.Mkdirat(int(homes.Fd()), home, 0o700); err != nil {
		return fmt.Errorf("cannot make a place for the home: %w", err)
	}
	if err := mount.SetReadOnly(homes); err != nil {
		return err
	}
	if err := attachAll(root, []attachment{{homes, "home"}}); err != nil {
		return err
	}
	if err := mount.AttachAt(ownHome, homes, home); err != nil {
		return err
	}
	ownHome.Close()
	shm, err := newTmpfs("1777")
	if err != nil {
		return err
	}
	run, err := newTmpfs("755")
	if err != nil {
		return err
	}
	// A message queue and a proc of the session's own: it has been born into new ipc and pid namespaces.
	mqueue, err := mount.New("mqueue", mount.NoSUID|mount.NoDev|mount.NoExec)
	if err != nil {
		return err
	}
	proc, err := newProc()
	if err != nil {
		return err
	}
	if err := attachAll(root, []attachment{
		{ownTmp, "tmp"}, {varTmp, "var/tmp"}, {run, "run"},
		{pts, "dev/pts"}, {shm, "dev/shm"}, {mqueue, "dev/mqueue"}, {proc, "proc"},
	}); err != nil {
		return err
	}
	// Masks come last: with a masked proc in sight the kernel lets nobody mount a fresh one.
	return mask(root)
}

type attachment struct {
	mnt *os.File
	on  string
}

// attachAll mounts each at its place below root and lets go of the descriptors. No link is followed; mounts are, because all
// of those in sight are the supervisor's.
func attachAll(root *os.File, list []attachment) error {
	for _, a := range list {
		fd, err := openInView(root, a.on)
		if err != nil {
			return err
		}
		err = mount.Attach(a.mnt, fd)
		fd.Close()
		a.mnt.Close()
		if err != nil {
			return err
		}
	}
	return nil
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

func newTmpfs(mode string) (*os.File, error) {
	return mount.New("tmpfs", mount.NoSUID|mount.NoDev, mount.Option{Key: "mode", Value: mode},
		mount.Option{Key: "size", Value: "50%"}, mount.Option{Key: "nr_inodes", Value: "1m"})
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
