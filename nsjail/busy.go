package nsjail

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"forkgate/nsjail/cgroup"
)

// The groups of a pod below its unit's own. What is in sessions and below is a session each; what is in machine and below it, but
// for the init's own group, are containers.
const (
	MachineGroup  = "machine"
	SessionsGroup = "sessions"
	InitGroup     = "init"
)

// Busy reports whether a session or a container lives in the pod whose unit has this cgroup. The kernel says so: a pod is not asked.
func Busy(unit string) (bool, error) {
	for _, half := range []string{SessionsGroup, MachineGroup} {
		groups, err := os.ReadDir(filepath.Join(unit, half))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return false, fmt.Errorf("cannot see what a pod does: %w", err)
		}
		for _, g := range groups {
			if !g.IsDir() || half == MachineGroup && g.Name() == InitGroup {
				continue
			}
			if busy, err := cgroup.Populated(filepath.Join(unit, half, g.Name())); busy || err != nil {
				return busy, err
			}
		}
	}
	return false, nil
}
