package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
)

// namesIn is where a warden keeps the principals and groups that a policy in force has had. Without them nobody could tell one that was taken out
// from one that is misspelt.
func namesIn(state string) string { return filepath.Join(state, "names.json") }

// pastNames reads them. Where that cannot be done there have been none: what looks misspelt is an error then.
func pastNames(state string) (names []string) {
	text, err := os.ReadFile(namesIn(state))
	if err != nil || json.Unmarshal(text, &names) != nil {
		return nil
	}
	return names
}

// keepNames writes them down, where they are not there already: whole, and on the disk before they count.
func keepNames(state string, names []string) error {
	if slices.Equal(names, pastNames(state)) {
		return nil
	}
	text, err := json.Marshal(names)
	if err != nil {
		return err
	}
	draft, err := os.CreateTemp(state, ".names-*") // O_EXCL, 0600
	if err != nil {
		return err
	}
	defer os.Remove(draft.Name())
	_, err = draft.Write(text)
	if err := errors.Join(err, draft.Sync(), draft.Close()); err != nil {
		return err
	}
	return os.Rename(draft.Name(), namesIn(state))
}
