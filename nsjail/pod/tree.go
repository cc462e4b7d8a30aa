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
	home   *os.File
	socket *os.File // the Docker daemon's
	run    *os.File // its /run, once that is attached
	spec   nsjail.Spec

	data   *os.File // these two come with whose pod it is
	docker *os.File // of the machine half only
}

// openTree opens and clones what a half shows of the pool whosever it is, in the host's mount namespace. The directories are
// named by the registry and their parents are root's: nobody inside can have put a link there, and none is followed.
func (b *builder) openTree() (_ *tree, err error) {
	t := &tree{spec: b.spec}
	defer func() {
		if err != nil {
			t.close()
		}
	}()
	if t.root, err = b.clone(b.spec.Root); err != nil {
		return nil, err
	}
	if t.home, err = b.clone(b.spec.Home); err != nil {
		return nil, err
	}
	if t.socket, err = b.cloneSocket(); err != nil {
		return nil, err
	}
	// A writable root let the pod's root redirect a mount of the next start: mv /home /h2; ln -s /srv/x /home.
	return t, mount.SetReadOnly(t.root)
}

// openOwn adds what belongs to one tree alone.
func (b *builder) openOwn(t *tree, k kind) (err error) {
	t.spec = b.spec
	if t.data, err = b.clone(b.spec.Data); err != nil || k.name != machineHalf.name {
		return err
	}
	t.docker, err = b.clone(b.spec.Docker)
	return err
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
	for _, mnt := range []*os.File{t.root, t.data, t.home, t.docker, t.socket, t.run} {
		if mnt != nil {
			mnt.Close()
		}
	}
}

// attach puts the tree together at staging, as far as no namespace of the half is needed for it, nor the fork.
func (t *tree) attach(staging string) error {
	if err := os.Mkdir(staging, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("cannot make a place for the pod's root: %w", err)
	}
	at, err := openPlace(staging)
	if err != nil {
		return err
	}
	defer at.Close()
	if err := mount.Attach(t.root, at); err != nil {
		return err
	}
	for _, step := range []func() error{t.attachHome, t.attachTemporary, t.attachDev} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// attachOwn adds what belongs to one tree alone.
func (t *tree) attachOwn(staging string) error {
	return errors.Join(t.attachEtc(staging), t.attachData(), t.attachDocker(), t.attachSecrets())
}

func openPlace(path string) (*os.File, error) {
	at, err := os.OpenFile(path, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot open the place for the pod's root: %w", err)
	}
	return at, nil
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
	return t.attachTmpfs("etc/docker")
}

func (t *tree) attachTemporary() error {
	return errors.Join(t.attachTmpfs("tmp"), t.attachTmpfs("var/tmp"), t.attachRun())
}

func (t *tree) attachRun() (err error) {
	if t.run, err = t.tmpfs("755"); err != nil {
		return err
	}
	return errors.Join(mount.AttachAt(t.run, t.root, "run"), t.attachSocket(t.run))
}

// attachSocket shows the Docker socket where DOCKER_HOST says, and where programs look that do not heed it. Both halves have it
// at the same place, so that a container can be given it by that name.
func (t *tree) attachSocket(run *os.File) error {
	const dir, link = "rediacc", "docker.sock"
	name := dir + "/" + path.Base(nsjail.DockerSocket(t.spec.NetworkID))
	fd, owner := int(run.Fd()), int(t.spec.SubUID)
	secrets := path.Base(nsjail.SecretsDir)
	if err := errors.Join(
		unix.Mkdirat(fd, secrets, 0o555), unix.Fchownat(fd, secrets, owner, owner, unix.AT_SYMLINK_NOFOLLOW),
		unix.Mkdirat(fd, dir, 0o755), unix.Fchownat(fd, dir, owner, owner, unix.AT_SYMLINK_NOFOLLOW),
		unix.Symlinkat(name, fd, link), unix.Fchownat(fd, link, owner, owner, unix.AT_SYMLINK_NOFOLLOW),
		unix.Mknodat(fd, name, unix.S_IFREG|0o600, 0),
	); err != nil {
		return fmt.Errorf("cannot make places below /run: %w", err)
	}
	return mount.AttachAt(t.socket, run, name)
}

// attachSecrets shows what the operator gives the pod: on a tmpfs, which no snapshot takes along, that nobody in the pod can write to. Containers of
// any user read what they are given of it.
func (t *tree) attachSecrets() error {
	if len(t.spec.Secrets) == 0 {
		return nil
	}
	dir, err := t.tmpfs("755")
	if err != nil {
		return err
	}
	defer dir.Close()
	for _, s := range t.spec.Secrets {
		if err := writeSecret(dir, s, int(t.spec.SubUID)); err != nil {
			return fmt.Errorf("cannot write the secret %s: %w", s.Name, err)
		}
	}
	return errors.Join(mount.SetReadOnly(dir), mount.AttachAt(dir, t.run, path.Base(nsjail.SecretsDir)))
}

func writeSecret(dir *os.File, s nsjail.Secret, owner int) error {
	fd, err := unix.Openat(int(dir.Fd()), path.Base(s.Name), unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0o444)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), s.Name)
	_, err = f.Write(s.Text)
	return errors.Join(err, f.Chmod(0o444), f.Chown(owner, owner), f.Close())
}

// attachTmpfs mounts a new tmpfs.
func (t *tree) attachTmpfs(on string) error {
	tmp, err := t.tmpfs("755")
	if err != nil {
		return err
	}
	defer tmp.Close()
	return mount.AttachAt(tmp, t.root, on)
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
