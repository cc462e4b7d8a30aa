// Package cgroup makes room below a delegated group of the cgroup v2 hierarchy, for groups that have limits of their own
// (cgroups(7), "no internal processes").
//
// It takes paths, and trusts them.
package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// limiting are the controllers by which containers are limited. For others alone, as hosts have them that keep these in version 1,
// there is no point in making room.
var limiting = []string{"cpu", "cpuset", "io", "memory", "pids"}

// Controllers lists by which controllers groups below group can be limited; none on hosts that have theirs in version 1.
func Controllers(group string) ([]string, error) {
	text, err := os.ReadFile(filepath.Join(group, "cgroup.controllers"))
	if err != nil {
		return nil, fmt.Errorf("cannot see which cgroup controllers there are: %w", err)
	}
	return slices.DeleteFunc(strings.Fields(string(text)), func(c string) bool { return !slices.Contains(limiting, c) }), nil
}

// Enable passes controllers on to the groups below group, which must have no process itself.
func Enable(group string, controllers []string) error {
	all := "+" + strings.Join(controllers, " +")
	if err := os.WriteFile(filepath.Join(group, "cgroup.subtree_control"), []byte(all), 0); err != nil {
		return fmt.Errorf("cannot pass the cgroup controllers on: %w", err)
	}
	return nil
}

// Enter makes group where it is missing and moves this process there. On Linux 6.18 that takes some 10 ms, in which the kernel waits
// for every CPU.
func Enter(group string) error {
	if err := os.Mkdir(group, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("cannot make a cgroup: %w", err)
	}
	if err := os.WriteFile(filepath.Join(group, "cgroup.procs"), []byte("0"), 0); err != nil {
		return fmt.Errorf("cannot enter a cgroup: %w", err)
	}
	return nil
}
