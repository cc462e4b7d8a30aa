package archive

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"filippo.io/age"

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

// ReadKeys reads a file of secret keys, as age-keygen writes it.
func ReadKeys(path string) ([]age.Identity, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the key of recordings: %w", err)
	}
	defer f.Close()
	keys, err := age.ParseIdentities(f)
	if err != nil {
		return nil, fmt.Errorf("%s has no secret key of age, as age-keygen writes it: %w", path, err)
	}
	return keys, nil
}

// List reads how each begins, the oldest first; of those that are encrypted, and not to one of the keys, what can be read. What cannot be read at all is
// left out, and skip hears of it.
func List(dir string, skip func(path string, err error), keys ...age.Identity) ([]Recording, error) {
	all := []Recording{} // and not null in JSON
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || !d.Type().IsRegular() || filepath.Ext(path) != Extension {
			return err
		}
		one, err := read(path, keys)
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

func read(path string, keys []age.Identity) (Recording, error) {
	f, err := os.Open(path)
	if err != nil {
		return Recording{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return Recording{}, err
	}
	r, err := tape.NewReader(f, keys...)
	if err != nil && !errors.Is(err, tape.ErrSealed) {
		return Recording{}, err
	}
	if name := strings.TrimSuffix(filepath.Base(path), Extension); name != r.Header.Forkgate.Session {
		return Recording{}, fmt.Errorf("this file is not the recording of session %.40q that its first line says: it was changed, or renamed", r.Header.Forkgate.Session)
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
