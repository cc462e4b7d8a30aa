package attestor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"sync"
	"time"

	"forkgate/gate/provenance"
	"forkgate/gate/provenance/chain"
)

// watch remembers, of each process, where it came from and whether it ever was an agent, or was started by one. That survives a
// change of name, of parent, of session, and of everything else that a process can do to itself. It is a chain.Memory.
type watch struct {
	proc   fs.FS
	agents []provenance.Agent
	names  map[string]bool // of variables that matter
	mark   func(pid int)   // has what a process starts inherit a mark; see chain.Marked
	now    func() time.Duration

	mu        sync.Mutex
	events    *eventSocket // nil where the kernel tells nothing
	failed    bool         // it told something once, and does not any more
	known     map[int]*known
	terminals map[terminal]string // on which an agent ran
	ended     map[int]bool        // first threads that have ended; the rest of their processes may live on
}

// terminal is a session's controlling terminal, by numbers. While the session lasts no other process gets its id.
type terminal struct{ device, session int }

// known is what is remembered of a process until its end.
type known struct {
	start   uint64 // 0 until somebody has asked
	parent  int    // 0 where its birth was not seen
	agent   string
	environ []string // those variables that matter, right after it last executed a program
	exec    bool     // that was seen
	first   []string // environ when it became an agent
	again   bool     // it has executed a program since
	late    bool     // see chain.Remembered

	born  []string // environ right after the first program that it executed since it was forked
	execs int      // how many these are
}

// soon is how long after it was executed a program still shows what it was started with: it starts up, and has been told nothing yet that
// an agent could act upon. A script that executes what does the work is one program in this.
const soon = 100 * time.Millisecond

// newWatch begins to listen, and then looks at what is there. Of what happens in between it hears afterwards.
func newWatch(proc fs.FS, agents []provenance.Agent, mark func(pid int)) (*watch, error) {
	w := &watch{
		proc: proc, agents: agents, mark: mark, now: monotonic, names: variables(agents),
		known: map[int]*known{}, terminals: map[terminal]string{}, ended: map[int]bool{},
	}
	var silent error
	w.events, silent = openEvents()
	w.scan()
	return w, silent
}

// run takes in events until ctx ends.
func (w *watch) run(ctx context.Context) {
	for w.events != nil && ctx.Err() == nil {
		err := w.events.wait(500)
		w.mu.Lock()
		if err != nil {
			w.failed = true
		}
		w.drain()
		w.sweep()
		failed := w.failed
		w.mu.Unlock()
		if failed {
			return
		}
	}
}

// sync takes in all that has happened until now, and reports whether nothing was missed.
func (w *watch) sync() (complete bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.events == nil {
		return false
	}
	w.drain()
	return !w.failed
}

func (w *watch) drain() {
	for w.events != nil && !w.failed {
		e, ok, err := w.events.next()
		switch {
		case errors.Is(err, errLost):
			// What is there now has a past that was missed. What was an agent is still known as one.
			w.scan()
		case err != nil:
			w.failed = true
		case !ok:
			return
		default:
			w.take(e)
		}
	}
}

// take remembers what an event tells.
func (w *watch) take(e event) {
	switch e.what {
	case procFork:
		child := &known{parent: e.other}
		if k := w.known[e.other]; k != nil {
			*child = *k
			child.start, child.parent, child.born, child.execs = 0, e.other, nil, 0
		}
		w.known[e.pid] = child
		delete(w.ended, e.pid)
	case procExec:
		delete(w.ended, e.pid) // another thread has taken the first one's place
		w.executed(w.get(e.pid), e)
	case procComm:
		// Programs that run under an interpreter call themselves what they are.
		if k := w.get(e.pid); slices.ContainsFunc(w.agents, func(a provenance.Agent) bool { return slices.Contains(a.Comm, e.comm) }) {
			fresh := k.agent == ""
			w.lookAt(k, e.pid)
			if k.agent == "" { // it has changed its name again
				k.agent = fmt.Sprintf("an agent called %q", e.comm)
			}
			if fresh { // it was one before it said so: what it has executed since it was forked was its own choice
				k.first, k.again = k.born, k.execs > 1
			}
		}
	case procPtrace:
		if tracer := w.known[e.other]; tracer != nil && tracer.agent != "" {
			if k := w.get(e.pid); k.agent == "" {
				k.agent = tracer.agent
				w.mark(e.pid)
			}
		}
	case procExit:
		w.ended[e.pid] = true
	}
}

func (w *watch) get(pid int) *known {
	if w.known[pid] == nil {
		w.known[pid] = &known{}
	}
	return w.known[pid]
}

// sweep forgets processes that are gone altogether.
func (w *watch) sweep() {
	for pid := range w.ended {
		if _, err := fs.Stat(w.proc, strconv.Itoa(pid)); !errors.Is(err, fs.ErrNotExist) {
			continue // not waited for yet, or other threads live on
		}
		delete(w.known, pid)
		delete(w.ended, pid)
		for t := range w.terminals {
			if t.session == pid {
				delete(w.terminals, t)
			}
		}
	}
}

// Process tells of a process; see chain.Memory.
func (w *watch) Process(pid int, start uint64) (chain.Remembered, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	k := w.known[pid]
	if k == nil || k.start != 0 && k.start != start {
		return chain.Remembered{}, false
	}
	k.start = start
	return chain.Remembered{Agent: k.agent, Parent: k.parent, Environ: k.environ, Exec: k.exec, First: k.first, Again: k.again, Late: k.late}, true
}

// Terminal tells of an agent that ran on a terminal.
func (w *watch) Terminal(device, session int) (agent string, ran bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	agent, ran = w.terminals[terminal{device, session}]
	return agent, ran
}

func (w *watch) close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.events == nil {
		return nil
	}
	err := w.events.close()
	w.events = nil
	return err
}
