package pod

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// sealedCopy puts a program into a memory file that nobody can change any more: what runs in a pod is never the inode of a
// file of the host.
func sealedCopy(path string) (*os.File, error) {
	src, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the pod's init: %w", err)
	}
	defer src.Close()
	fd, err := unix.MemfdCreate("forkgate-init", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("cannot make a memory file: %w", err)
	}
	tool := os.NewFile(uintptr(fd), "forkgate-init")
	if err = copyAll(fd, src); err == nil {
		_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS,
			unix.F_SEAL_WRITE|unix.F_SEAL_GROW|unix.F_SEAL_SHRINK|unix.F_SEAL_SEAL)
	}
	if err != nil {
		tool.Close()
		return nil, fmt.Errorf("cannot copy the pod's init: %w", err)
	}
	return tool, nil
}

// copyAll copies a file inside the kernel (sendfile(2)).
func copyAll(to int, from *os.File) error {
	st, err := from.Stat()
	if err != nil {
		return err
	}
	for left := st.Size(); left > 0; {
		n, err := unix.Sendfile(to, int(from.Fd()), nil, int(left))
		if err != nil {
			return err
		}
		if n == 0 {
			return errors.New("it became shorter")
		}
		left -= int64(n)
	}
	return nil
}
