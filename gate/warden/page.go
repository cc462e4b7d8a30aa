package warden

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"golang.org/x/sys/unix"

	"forkgate/gate"
	"forkgate/gate/warden/client"
)

// answer prints the page into a sealed memfd: a page may be longer than a message, and the reader need not fear that it
// changes.
func (p page) answer(asJSON bool) (answer, error) {
	var text bytes.Buffer
	if asJSON {
		e := json.NewEncoder(&text)
		e.SetIndent("", "  ")
		if err := e.Encode(p.data); err != nil {
			return answer{}, fmt.Errorf("cannot print: %w", err)
		}
	} else {
		p.text(&text)
	}
	f, err := sealed(text.Bytes())
	if err != nil {
		return answer{}, err
	}
	return answer{body: client.VerbReply{}, files: []*os.File{f}}, nil
}

func sealed(data []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate("forkgate", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("cannot make a memfd: %w", err)
	}
	f := os.NewFile(uintptr(fd), "page")
	_, err = f.Write(data)
	_, seekErr := f.Seek(0, io.SeekStart)
	_, sealErr := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS,
		unix.F_SEAL_SEAL|unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_WRITE)
	if err := errors.Join(err, seekErr, sealErr); err != nil {
		f.Close()
		return nil, fmt.Errorf("cannot fill a memfd: %w", err)
	}
	return f, nil
}

// columns prints rows of cells under headings, aligned. Cells may hold anything.
func columns(w io.Writer, rows ...[]string) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		for i, cell := range row {
			end := "\t"
			if i == len(row)-1 {
				end = "\n"
			}
			fmt.Fprint(t, gate.Printable(cell), end)
		}
	}
	t.Flush()
}
