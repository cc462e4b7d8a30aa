package pod

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strconv"

	"golang.org/x/sys/unix"

	"forkgate/nsjail"
	"forkgate/nsjail/idmap"
	"forkgate/nsjail/mount"
)

// tree is the mounts of a half while it is built.
type tree struct {
	root   *os.File // the tools, read-only
	data   *os.File
	home   *os.File
	docker *os.File // of the machine half only
	socket *os.File // the Docker daemon's
	spec   nsjail.Spec
}

// openTree opens and clones everything that a half shows of the pool, in the host's mount namespace. The directories are
// named by the registry and their parents are root's: nobody inside can have put a link there, and none is followed.
func (b *builder) openTree(k kind) (_ *tree, err error) {
	t := &tree{spec: b.spec}
	defer func() {
		if err != nil {
			t.close()
		}
	}()
	show := func(into **os.File, path string) {
		if err == nil {
			*into, err = b.clone(path)
		}
	}
	show(&t.root, b.spec.Root)
	show(&t.data, b.spec.Data)
	show(&t.home, b.spec.Home)
	if k.name == machineHalf.name {
		show(&t.docker, b.spec.Docker)
	}
	if err == nil {
		t.socket, err = b.cloneSocket()
	}
	if err != nil {
		return nil, err
	}
	// A writable root let the pod's root redirect a mount of the next start: mv /home /h2; ln -s /srv/x /home.
	return t, mount.SetReadOnly(t.root)
}

func (b *builder) clone(path string) (*os.File, error) {
	fd, err := unix.Openat2(unix.AT_FDCWD, path, &unix.OpenHow{
		Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS,
	})
	if err != nil {
		return nil, fmt.Errorf("cannot open %s: %w", path, err)
	}
	dir := os.NewFile(uintptr(fd), path)
	defer dir.Close()
	return idmap.Clone(dir, b.ids)
}

// cloneSocket makes a mount of the Docker socket's file, and of nothing beside it.
func (b *builder) cloneSocket() (*os.File, error) {
	dir, err := os.OpenFile(path.Dir(b.docker.Name()), unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot open the pod's directory: %w", err)
	}
	defer dir.Close()
	return mount.Clone(dir, path.Base(b.docker.Name()), mount.NoSUID|mount.NoDev|mount.NoExec)
}

func (t *tree) close() {
	for _, mnt := range []*os.File{t.root, t.data, t.home, t.docker, t.socket} {
		if mnt != nil {
			mnt.Close()
		}
	}
}

// attach puts the tree together at staging, as far as no namespace of the half is needed for it.
func (t *tree) attach(staging string) error {
	if err := os.Mkdir(staging, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("cannot make a place for the pod's root: %w", err)
	}
	at, err := os.OpenFile(staging, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return fmt.Errorf("cannot open the place for the pod's root: %w", err)
	}
	defer at.Close()
	etc, err := t.etc(staging, at)
	if err != nil {
		return err
	}
	defer closeAll(etc)
	if err := mount.Attach(t.root, at); err != nil {
		return err
	}
	for name, file := range etc {
		if err := mount.AttachAt(file, t.root, "etc/"+name); err != nil {
			return err
		}
	}
	for _, step := range []func() error{t.attachData, t.attachHome, t.attachDocker, t.attachTemporary, t.attachDev} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// attachData shows the data under its GUID, on a read-only tmpfs that has nothing else.
func (t *tree) attachData() error {
	place, err := t.tmpfs("755")
	if err != nil {
		return err
	}
	defer place.Close()
	name := path.Base(t.spec.Mountpoint)
	if err := unix.Mkdirat(int(place.Fd()), name, 0o755); err != nil {
		return fmt.Errorf("cannot make a place for the data: %w", err)
	}
	if err := mount.SetReadOnly(place); err != nil {
		return err
	}
	if err := mount.AttachAt(place, t.root, "srv"); err != nil {
		return err
	}
	return mount.AttachAt(t.data, place, name)
}

func (t *tree) attachHome() error { return mount.AttachAt(t.home, t.root, "home") }

// attachDocker shows the machine what its Docker daemon keeps, and a place for what it writes to /etc.
func (t *tree) attachDocker() error {
	if t.docker == nil {
		return nil
	}
	if err := mount.AttachAt(t.docker, t.root, "var/lib/docker"); err != nil {
		return err
	}
	return t.attachTmpfs("etc/docker", nil)
}

func (t *tree) attachTemporary() error {
	return errors.Join(t.attachTmpfs("tmp", nil), t.attachTmpfs("var/tmp", nil), t.attachTmpfs("run", t.attachSocket))
}

// attachSocket shows the Docker socket where DOCKER_HOST says, and where programs look that do not heed it. Both halves have it
// at the same place, so that a container can be given it by that name.
func (t *tree) attachSocket(run *os.File) error {
	const dir, link = "rediacc", "docker.sock"
	name := dir + "/" + path.Base(nsjail.DockerSocket(t.spec.NetworkID))
	fd, owner := int(run.Fd()), int(t.spec.SubUID)
	if err := errors.Join(
		unix.Mkdirat(fd, dir, 0o755), unix.Fchownat(fd, dir, owner, owner, unix.AT_SYMLINK_NOFOLLOW),
		unix.Symlinkat(name, fd, link), unix.Fchownat(fd, link, owner, owner, unix.AT_SYMLINK_NOFOLLOW),
		unix.Mknodat(fd, name, unix.S_IFREG|0o600, 0),
	); err != nil {
		return fmt.Errorf("cannot make a place for the Docker socket: %w", err)
	}
	return mount.AttachAt(t.socket, run, name)
}

// attachTmpfs mounts a new tmpfs and has it filled.
func (t *tree) attachTmpfs(on string, fill func(tmp *os.File) error) error {
	tmp, err := t.tmpfs("755")
	if err != nil {
		return err
	}
	defer tmp.Close()
	if err := mount.AttachAt(tmp, t.root, on); err != nil || fill == nil {
		return err
	}
	return fill(tmp)
}

// tmpfs makes a tmpfs that belongs to the pod's root. Its memory counts for the pod's cgroup. It is no place for much: TMPDIR lies in
// the home, on disk.
func (t *tree) tmpfs(mode string) (*os.File, error) {
	owner := strconv.Itoa(int(t.spec.SubUID))
	return mount.New("tmpfs", mount.NoSUID|mount.NoDev,
		mount.Option{Key: "mode", Value: mode}, mount.Option{Key: "uid", Value: owner}, mount.Option{Key: "gid", Value: owner},
		mount.Option{Key: "size", Value: "10%"}, mount.Option{Key: "nr_inodes", Value: "256k"})
}

func closeAll(files map[string]*os.File) {
	for _, f := range files {
		f.Close()
	}
}
