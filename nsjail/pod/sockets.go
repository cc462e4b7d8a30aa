package pod

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"forkgate/nsjail"
	"forkgate/nsjail/wire"
)

// listen makes the pod's sockets. What an earlier run left behind is dead: the service manager runs one at a time.
func (b *builder) listen(runDir string) error {
	control := nsjail.ControlSocket(runDir, b.spec.GUID)
	if err := errors.Join(removeOld(control), removeOld(control+unopened)); err != nil {
		return err
	}
	var err error
	if b.control, err = wire.ListenFile(control+unopened, 0o600); err != nil {
		return err
	}
	b.undo = append(b.undo, b.control.Close)
	docker := nsjail.HostDockerSocket(runDir, b.spec.GUID)
	if err := removeOld(docker); err != nil {
		return err
	}
	if b.docker, err = listenStream(docker); err != nil {
		return err
	}
	b.undo = append(b.undo, b.docker.Close)
	// Inside it belongs to root, and whoever is in the group docker may connect.
	owner := int(b.spec.SubUID)
	if err := os.Chown(docker, owner, owner+nsjail.DockerGID); err != nil {
		return fmt.Errorf("cannot give the Docker socket to the pod: %w", err)
	}
	return nil
}

// unopened is behind the name of a control socket at which nobody answers yet.
const unopened = ".new"

// nameControl lets callers in.
func (b *builder) nameControl(runDir string) error {
	control := nsjail.ControlSocket(runDir, b.spec.GUID)
	if err := os.Rename(control+unopened, control); err != nil {
		return fmt.Errorf("cannot open the pod: %w", err)
	}
	return nil
}

func removeOld(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("cannot remove an old socket: %w", err)
	}
	return nil
}

// listenStream makes a listening stream socket that root and the group may connect to.
func listenStream(path string) (*os.File, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot make a socket: %w", err)
	}
	f := os.NewFile(uintptr(fd), path)
	if err := errors.Join(
		unix.Bind(fd, &unix.SockaddrUnix{Name: path}), os.Chmod(path, 0o660), unix.Listen(fd, unix.SOMAXCONN),
	); err != nil {
		f.Close()
		return nil, fmt.Errorf("cannot listen on %s: %w", path, err)
	}
	return f, nil
}
