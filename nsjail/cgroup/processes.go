package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// maxGroups is how many groups below one are looked into. A container is two or three.
const maxGroups = 1 << 12

// Processes lists who lives in group and below it, as the host numbers them. More groups than anybody has a use for are an error.
func Processes(group string) (pids []int, err error) {
	groups := 0
	err = filepath.WalkDir(group, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, os.ErrNotExist) { // gone meanwhile
			return nil
		}
		if err != nil || !d.IsDir() {
			return err
		}
		if groups++; groups > maxGroups {
			return fmt.Errorf("there are more than %d groups below it", maxGroups)
		}
		text, err := os.ReadFile(filepath.Join(path, "cgroup.procs"))
		// Who is in a threaded group is listed in the one above it that is not (cgroups(7)).
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.EOPNOTSUPP) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, field := range strings.Fields(string(text)) {
			if pid, err := strconv.Atoi(field); err == nil && pid > 0 { // 0 is somebody outside of our own pid namespace
				pids = append(pids, pid)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("cannot list the processes of a cgroup: %w", err)
	}
	return pids, nil
}

// Freeze stops all that lives in group and below it, and returns when that stands still or patience is at its end. Thaw lets it go on.
func Freeze(group string, patience time.Duration) error {
	if err := freezer(group, "1"); err != nil {
		return err
	}
	for deadline := time.Now().Add(patience); ; {
		events, err := os.ReadFile(filepath.Join(group, "cgroup.events"))
		if err != nil {
			return fmt.Errorf("cannot see whether a cgroup is frozen: %w", err)
		}
		if strings.Contains(string(events), "frozen 1") {
			return nil
		}
		if time.Now().After(deadline) {
			return errors.New("a cgroup does not freeze")
		}
		time.Sleep(time.Millisecond)
	}
}

// Thaw undoes Freeze.
func Thaw(group string) error { return freezer(group, "0") }

func freezer(group, state string) error {
	if err := os.WriteFile(filepath.Join(group, "cgroup.freeze"), []byte(state), 0); err != nil {
		return fmt.Errorf("cannot freeze or thaw a cgroup: %w", err)
	}
	return nil
}
