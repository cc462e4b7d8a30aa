package attestor

import (
	"os"
	"strconv"
	"sync"

	"forkgate/gate/provenance/chain"
)

// caller is a process, for as long as the machine runs.
type caller struct {
	pid   int
	start uint64
}

// answered remembers who has had its one answer. A process gets one: ssh connects again to lend its agent to a host, and what then
// comes from there must not speak for the person here.
type answered struct {
	mu sync.Mutex
	by map[caller]bool
}

// first reports whether the process comes for the first time.
func (a *answered) first(p peer) bool {
	process, err := chain.Read(os.DirFS("/proc"), p.pid)
	if err != nil || !p.lives() {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	c := caller{p.pid, process.Start}
	if a.by[c] {
		return false
	}
	for old := range a.by { // those that are gone need no remembering
		if _, err := os.Stat("/proc/" + strconv.Itoa(old.pid)); err != nil {
			delete(a.by, old)
		}
	}
	a.by[c] = true
	return true
}
