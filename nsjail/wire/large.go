package wire

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// sealed is what keeps a memory file as it is, whoever else has it open (memfd_create(2)).
const sealed = unix.F_SEAL_WRITE | unix.F_SEAL_GROW | unix.F_SEAL_SHRINK | unix.F_SEAL_SEAL

// seal puts data into a memory file that nobody can change any more.
func seal(data []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate("message", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("cannot make a memory file: %w", err)
	}
	f := os.NewFile(uintptr(fd), "message")
	if _, err = f.Write(data); err == nil {
		_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, sealed)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("cannot fill a memory file: %w", err)
	}
	return f, nil
}

// unseal takes the body from the last of the files and returns the others. A file that is not sealed is not read: it could be a
// pipe that never ends, or change under the reader.
func (m *Message) unseal(files []*os.File) ([]*os.File, error) {
	last := files[len(files)-1]
	seals, err := unix.FcntlInt(last.Fd(), unix.F_GET_SEALS, 0)
	if err != nil || seals&sealed != sealed {
		return files, fmt.Errorf("%w: %s has a body that is not sealed", ErrMalformed, m.Type)
	}
	body, err := io.ReadAll(io.NewSectionReader(last, 0, MaxLarge+1))
	if err != nil {
		return files, fmt.Errorf("cannot read the body of %s: %w", m.Type, err)
	}
	if len(body) > MaxLarge || m.Body != nil {
		return files, fmt.Errorf("%w: %s has a body of more than %d bytes, or two", ErrMalformed, m.Type, MaxLarge)
	}
	m.Body, m.Large = body, false
	last.Close()
	return files[:len(files)-1], nil
}
