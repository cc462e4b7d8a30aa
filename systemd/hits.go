package systemd

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Hits is how often a unit has run into its limits since it started.
type Hits struct {
	Memory uint64 // processes that the kernel killed for want of memory
	Tasks  uint64 // processes and threads that were not to be
}

// podSlice is where units of pods are, below the root of each hierarchy.
const podSlice = "forkgate.slice"

// LimitHits counts, for a unit in forkgate.slice. What the kernel does not tell counts as never: which files there are depends on
// its version, and a unit that does not run has none (cgroup-v2.rst and cgroup-v1/ in the kernel's documentation).
func LimitHits(unit string) Hits {
	const root = "/sys/fs/cgroup"
	return Hits{
		Memory: counter("oom_kill", filepath.Join(root, podSlice, unit, "memory.events"), filepath.Join(root, "memory", podSlice, unit, "memory.oom_control")),
		Tasks:  counter("max", filepath.Join(root, podSlice, unit, "pids.events"), filepath.Join(root, "pids", podSlice, unit, "pids.events")),
	}
}

// counter reads the number behind a name in the first of the files that is there.
func counter(name string, files ...string) uint64 {
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			if word, number, _ := strings.Cut(strings.TrimSpace(line), " "); word == name {
				n, _ := strconv.ParseUint(number, 10, 64)
				return n
			}
		}
	}
	return 0
}
