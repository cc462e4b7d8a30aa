package archive

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"forkgate/gate/tape"
)

// Extension is what recordings are called: SESSION.cast.
const Extension = ".cast"

// Dir is where the warden has them, a directory for each day in it.
func Dir(state string) string { return filepath.Join(state, "recordings") }

// Recording is one, as it is listed.
type Recording struct {
	tape.About
	Command string `json:"command,omitempty"`
	Size    int64  `json:"size"` // bytes
	File    string `json:"file"`
}

// List reads the first line of each, the oldest first. What cannot be read is left out, and skip hears of it.
func List(dir string, skip func(path string, err error)) ([]Recording, error) {
	all := []Recording{} // and not null in JSON
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || !d.Type().IsRegular() || filepath.Ext(path) != Extension {
			return err
		}
		one, err := read(path)
		if err != nil {
			skip(path, err)
			return nil
		}
		all = append(all, one)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("cannot list the recordings: %w", err)
	}
	slices.SortStableFunc(all, func(a, b Recording) int { return a.Begun.Compare(b.Begun) })
	return all, nil
}

func read(path string) (Recording, error) {
	f, err := os.Open(path)
	if err != nil {
		return Recording{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return Recording{}, err
	}
	r, err := tape.NewReader(f)
	if err != nil {
		return Recording{}, err
	}
	return Recording{r.Header.Forkgate, r.Header.Command, info.Size(), path}, nil
}

// Find finds the recording of a session, by its name or a beginning of it that no other has.
func Find(dir, name string, skip func(path string, err error)) (Recording, error) {
	all, err := List(dir, skip)
	if err != nil {
		return Recording{}, err
	}
	var found []Recording
	for _, r := range all {
		if r.Session == name {
			return r, nil
		}
		if strings.HasPrefix(r.Session, name) {
			found = append(found, r)
		}
	}
	switch len(found) {
	case 0:
		return Recording{}, fmt.Errorf("there is no recording of a session %.60q; forkgate recordings lists them", name)
	case 1:
		return found[0], nil
	}
	return Recording{}, fmt.Errorf("several recordings begin with %.60q; forkgate recordings lists them", name)
}
