package cgroup

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Own finds the group that this process is in, which must be one of its own unit's.
func Own() (string, error) {
	membership, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", fmt.Errorf("cannot find the unit's cgroup: %w", err)
	}
	for line := range strings.Lines(string(membership)) {
		path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::")
		if !ok {
			continue
		}
		if path == "/" {
			return "", errors.New("a pod needs a cgroup of its own: start it as a unit, forkgate-pod@GUID.service")
		}
		root, err := Mount()
		return filepath.Join(root, path), err
	}
	return "", errors.New("this host has no cgroup v2 hierarchy")
}

// Mount finds where the hierarchy is mounted, in /proc/self/mountinfo (proc(5)): fields before " - " are of the mount, the first after it
// is the type.
func Mount() (string, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return "", fmt.Errorf("cannot find the cgroup v2 hierarchy: %w", err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		mnt, fs, ok := strings.Cut(lines.Text(), " - ")
		if fields := strings.Fields(mnt); ok && len(fields) > 4 && strings.HasPrefix(fs, "cgroup2 ") {
			return fields[4], nil
		}
	}
	return "", errors.New("cgroup v2 is not mounted on this host")
}

// Populated reports whether a process lives in group or below it. A group that is not there has none.
func Populated(group string) (bool, error) {
	events, err := os.ReadFile(filepath.Join(group, "cgroup.events"))
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("cannot look into a cgroup: %w", err)
	}
	return strings.Contains(string(events), "populated 1"), nil
}
