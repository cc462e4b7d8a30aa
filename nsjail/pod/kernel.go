package pod

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"forkgate/nsjail/mount"
)

// attachEtc shows the files of /etc that differ from pod to pod.
func (t *tree) attachEtc(staging string) error {
	at, err := openPlace(staging) // on top of the root, which stands there already
	if err != nil {
		return err
	}
	defer at.Close()
	etc, err := t.etc(staging, at)
	defer closeAll(etc)
	if err != nil {
		return err
	}
	for name, file := range etc {
		if err := mount.AttachAt(file, t.root, "etc/"+name); err != nil {
			return err
		}
	}
	return nil
}

// etc makes the files of /etc that differ from pod to pod, and returns a read-only mount of each. They lie on a tmpfs that is
// mounted at staging only while they are cloned: kernels before 6.15 clone nothing from a mount that is attached nowhere.
func (t *tree) etc(staging string, at *os.File) (_ map[string]*os.File, err error) {
	files := map[string]string{
		"hostname": t.spec.Hostname + "\n",
		// Without the host's own name in it, each docker run waits five seconds for a resolver.
		"hosts": "127.0.0.1 localhost " + t.spec.Hostname + "\n::1 localhost ip6-localhost\n",
		// The machine's init answers there, and refuses at once what it will not answer.
		"resolv.conf": "nameserver 127.0.0.1\noptions timeout:5 attempts:2\n",
	}
	tmp, err := t.tmpfs("755")
	if err != nil {
		return nil, err
	}
	defer tmp.Close()
	if err := mount.Attach(tmp, at); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, unix.Unmount(staging, unix.MNT_DETACH)) }()
	mounts := map[string]*os.File{}
	for name, text := range files {
		if err := os.WriteFile(fmt.Sprintf("%s/%s", staging, name), []byte(text), 0o644); err != nil {
			return mounts, fmt.Errorf("cannot write the pod's /etc/%s: %w", name, err)
		}
		mnt, err := mount.Clone(tmp, name, mount.ReadOnly|mount.NoSUID|mount.NoDev|mount.NoExec)
		if err != nil {
			return mounts, err
		}
		mounts[name] = mnt
	}
	return mounts, nil
}

// devices are the nodes that programs expect; none of them leads to hardware (Linux, Documentation/admin-guide/devices.txt).
var devices = []struct {
	name         string
	major, minor uint32
}{{"null", 1, 3}, {"zero", 1, 5}, {"full", 1, 7}, {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}}

// attachDev makes /dev of nodes that are made here, by the host's root: the pod's root could make none that work.
func (t *tree) attachDev() error {
	owner := int(t.spec.SubUID)
	dev, err := mount.New("tmpfs", mount.NoSUID|mount.NoExec,
		mount.Option{Key: "mode", Value: "755"}, mount.Option{Key: "size", Value: "1m"},
		mount.Option{Key: "uid", Value: strconv.Itoa(owner)}, mount.Option{Key: "gid", Value: strconv.Itoa(owner)})
	if err != nil {
		return err
	}
	defer dev.Close()
	fd := int(dev.Fd())
	var errs []error
	for _, d := range devices {
		errs = append(errs,
			unix.Mknodat(fd, d.name, unix.S_IFCHR|0o666, int(unix.Mkdev(d.major, d.minor))),
			unix.Fchmodat(fd, d.name, 0o666, 0), // mknod applies the umask
			unix.Fchownat(fd, d.name, owner, owner, 0))
	}
	for _, dir := range []string{"pts", "shm", "mqueue"} {
		errs = append(errs, unix.Mkdirat(fd, dir, 0o755))
	}
	for link, to := range map[string]string{
		"ptmx": "pts/ptmx", "fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2",
	} {
		errs = append(errs, unix.Symlinkat(to, fd, link))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("cannot fill the pod's /dev: %w", err)
	}
	if err := mount.AttachAt(dev, t.root, "dev"); err != nil {
		return err
	}
	return t.attachBelowDev(dev)
}

func (t *tree) attachBelowDev(dev *os.File) error {
	pts, err := mount.New("devpts", mount.NoSUID|mount.NoExec, mount.Option{Key: "newinstance"},
		mount.Option{Key: "ptmxmode", Value: "0666"}, mount.Option{Key: "mode", Value: "0620"},
		mount.Option{Key: "gid", Value: strconv.Itoa(int(t.spec.SubUID) + ttyGID)})
	if err != nil {
		return err
	}
	defer pts.Close()
	shm, err := t.tmpfs("1777")
	if err != nil {
		return err
	}
	defer shm.Close()
	return errors.Join(mount.AttachAt(pts, dev, "pts"), mount.AttachAt(shm, dev, "shm"))
}

// ttyGID is Debian's group tty, which owns terminals.
const ttyGID = 5

// mountKernel mounts what shows the namespaces of the calling thread: it must have entered those of the half's init.
func (t *tree) mountKernel(k kind) error {
	const flags = mount.NoSUID | mount.NoDev | mount.NoExec
	hidden := flags
	if k.name == sessionHalf.name {
		hidden |= mount.ReadOnly // containers need to write there, sessions do not
	}
	for _, m := range []struct {
		fstype, on string
		attributes int
	}{{"sysfs", "sys", hidden}, {"cgroup2", "sys/fs/cgroup", hidden}, {"mqueue", "dev/mqueue", flags}} {
		mnt, err := mount.New(m.fstype, m.attributes)
		if err != nil {
			return err
		}
		err = t.attachKernel(mnt, m.on)
		mnt.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// attachKernel mounts on a directory that may itself lie on a mount made here. All of these are the host's own making: there is
// no name in them that a fork had a say in.
func (t *tree) attachKernel(mnt *os.File, on string) error {
	fd, err := unix.Openat2(int(t.root.Fd()), on, &unix.OpenHow{
		Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_SYMLINKS,
	})
	if err != nil {
		return fmt.Errorf("cannot open %s of the pod: %w", on, err)
	}
	dir := os.NewFile(uintptr(fd), on)
	defer dir.Close()
	return mount.Attach(mnt, dir)
}
