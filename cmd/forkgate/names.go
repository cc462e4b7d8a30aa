package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
)

// namesFile holds the principals and groups that a policy in force has had. Without it nobody could tell one that was taken out from one that is
// misspelt.
const namesFile = stateDir + "/names.json"

// pastNames reads them. Where that cannot be done there have been none: what looks misspelt is an error then.
func pastNames() (names []string) {
	text, err := os.ReadFile(namesFile)
	if err != nil || json.Unmarshal(text, &names) != nil {
		return nil
	}
	return names
}

// keepNames writes them down, where they are not there already.
func keepNames(names []string) error {
	if slices.Equal(names, pastNames()) {
		return nil
	}
	text, err := json.Marshal(names)
	if err != nil {
		return err
	}
	draft := filepath.Join(filepath.Dir(namesFile), ".names.json.new")
	if err := os.WriteFile(draft, text, 0o600); err != nil {
		return err
	}
	return os.Rename(draft, namesFile)
}
