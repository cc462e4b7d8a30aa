package attestor

import (
	"io/fs"
	"strconv"
	"strings"

	"forkgate/gate/provenance/chain"
)

// scan looks at all processes that are there. Where they came from is unknown, but what is an agent now, or below one, is one.
func (w *watch) scan() {
	entries, err := fs.ReadDir(w.proc, ".")
	if err != nil {
		w.failed = true
		return
	}
	parents := map[int]int{}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		p, err := chain.Read(w.proc, pid)
		if err != nil {
			continue // it has ended; if not, nobody will be able to read its chain either
		}
		parents[pid] = p.Parent
		k := &known{start: p.Start}
		if old := w.known[pid]; old != nil && (old.start == 0 || old.start == p.Start) {
			k.agent, k.first, k.again, k.late, k.born, k.execs = old.agent, old.first, old.again, old.late, old.born, old.execs
		}
		w.known[pid] = k
		w.look(k, p)
	}
	for pid, k := range w.known {
		steps := 0
		for up := parents[pid]; k.agent == "" && up != 0 && steps < len(parents); up, steps = parents[up], steps+1 {
			if above := w.known[up]; above != nil {
				k.agent = above.agent
			}
		}
	}
}

// look judges a process by what it shows right now.
func (w *watch) look(k *known, p chain.Process) {
	fresh := k.agent == ""
	if s, ok := chain.Strongest(chain.Signs(w.agents, p)); ok {
		k.agent = s.Agent
		if fresh {
			w.mark(p.PID)
		}
	}
	if k.agent != "" && p.Terminal != 0 {
		w.terminals[terminal{p.Terminal, p.Session}] = k.agent
	}
}

// executed takes the snapshot. A process that has ended meanwhile, or executed another program, shows nothing of this one.
func (w *watch) executed(k *known, e event) {
	was := k.agent != ""
	k.environ, k.exec = nil, false
	if p, ok := w.lookAt(k, e.pid); ok {
		k.environ, k.exec = w.relevant(p.Environ), true
	}
	k.late = k.late || w.now()-e.when > soon
	if k.execs++; k.execs == 1 {
		k.born = k.environ
	}
	if was {
		k.again = true
	} else {
		k.first = k.environ
	}
}

func (w *watch) lookAt(k *known, pid int) (chain.Process, bool) {
	p, err := chain.Read(w.proc, pid)
	if err != nil {
		return chain.Process{}, false
	}
	w.look(k, p)
	return p, true
}

// relevant keeps the variables that decide something, and bounds what one process can have us store. A value that is cut differs
// from the one that is found later.
func (w *watch) relevant(environ []string) (kept []string) {
	const most, longest = 64, 4096
	for _, entry := range environ {
		if name, _, _ := strings.Cut(entry, "="); w.names[name] && len(kept) < most {
			kept = append(kept, strings.Clone(entry[:min(len(entry), longest)]))
		}
	}
	return kept
}
