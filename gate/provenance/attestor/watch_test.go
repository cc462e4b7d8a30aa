package attestor

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"forkgate/gate/provenance"
	"forkgate/gate/provenance/chain"
)

// newTestWatch hears of what a test tells it, and finds nothing in /proc.
func newTestWatch() (w *watch, marked *[]int) {
	marked = new([]int)
	return &watch{
		proc: fstest.MapFS{}, agents: []provenance.Agent{{Name: "Claude Code", Comm: []string{"claude"}}},
		names: map[string]bool{chain.OverrideVariable: true}, mark: func(pid int) { *marked = append(*marked, pid) },
		now:   func() time.Duration { return time.Hour },
		known: map[int]*known{}, terminals: map[terminal]string{}, ended: map[int]bool{},
	}, marked
}

func (w *watch) tell(events ...event) {
	for _, e := range events {
		w.take(e)
	}
}

func TestWhatIsRemembered(t *testing.T) {
	agent, _ := newTestWatch()
	agent.tell(event{what: procFork, pid: 10, other: 1}, event{what: procComm, pid: 10, comm: "claude"}, event{what: procFork, pid: 11, other: 10},
		event{what: procExec, pid: 11}, event{what: procExit, pid: 10}, event{what: procFork, pid: 12, other: 11}, event{what: procFork, pid: 20, other: 1})
	for pid, want := range map[int]bool{10: true, 11: true, 12: true, 20: false} {
		if r, ok := agent.Process(pid, 5); !ok || (r.Agent != "") != want {
			t.Errorf("process %d: %+v, %t", pid, r, ok)
		}
	}
	if _, ok := agent.Process(12, 6); ok {
		t.Error("another process with that pid is taken for it")
	}
	if _, ok := agent.Process(99, 5); ok {
		t.Error("a process that nobody told of is known")
	}
	// The first thread's end is not the process's: what it starts afterwards is an agent's.
	agent.tell(event{what: procFork, pid: 13, other: 10})
	if r, _ := agent.Process(13, 5); r.Agent == "" {
		t.Error("the end of a thread makes a process innocent")
	}
	agent.sweep() // /proc is empty
	if _, ok := agent.Process(10, 5); ok {
		t.Error("a process that is gone is remembered")
	}
	agent.tell(event{what: procFork, pid: 10, other: 20}) // the pid again
	if r, ok := agent.Process(10, 9); !ok || r.Agent != "" || r.Parent != 20 {
		t.Errorf("the next process with that pid: %+v", r)
	}
}

func TestWhoTracesMakesAnAgent(t *testing.T) {
	w, marked := newTestWatch()
	w.tell(event{what: procFork, pid: 10, other: 1}, event{what: procFork, pid: 20, other: 1}, event{what: procPtrace, pid: 20, other: 10})
	if r, _ := w.Process(20, 1); r.Agent != "" {
		t.Errorf("a person's debugger makes %+v", r)
	}
	w.tell(event{what: procComm, pid: 10, comm: "claude"}, event{what: procPtrace, pid: 20, other: 10})
	if r, _ := w.Process(20, 1); r.Agent == "" || !slices.Contains(*marked, 20) {
		t.Errorf("an agent's debugger makes %+v, marked %d", r, *marked)
	}
}

// A process that is looked at late may have made of itself what it shows, and so may what it has forked.
func TestWhoIsLookedAtLate(t *testing.T) {
	w, _ := newTestWatch()
	w.tell(event{what: procExec, pid: 10, when: time.Hour - soon}, event{what: procFork, pid: 11, other: 10},
		event{what: procExec, pid: 20, when: time.Hour - soon - 1}, event{what: procFork, pid: 21, other: 20}, event{what: procExec, pid: 21, when: time.Hour})
	for pid, late := range map[int]bool{10: false, 11: false, 20: true, 21: true} {
		if r, _ := w.Process(pid, 5); r.Late != late {
			t.Errorf("process %d: %+v", pid, r)
		}
	}
}

// When events were lost nobody's past is known any more, and agents stay agents.
func TestAfterLostEvents(t *testing.T) {
	c := exec.Command("sleep", "60")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { c.Process.Kill(); c.Wait() }()
	w, _ := newTestWatch()
	w.proc = os.DirFS("/proc")
	w.known[c.Process.Pid] = &known{parent: os.Getpid(), agent: "Claude Code"}
	w.known[os.Getpid()] = &known{parent: 1}
	w.scan()
	if k := w.known[c.Process.Pid]; k == nil || k.agent != "Claude Code" || k.parent != 0 {
		t.Errorf("the agent: %+v", k)
	}
	if k := w.known[os.Getpid()]; k == nil || k.parent != 0 || k.start == 0 {
		t.Errorf("somebody: %+v", k)
	}
}

func TestWhatIsKeptIsBounded(t *testing.T) {
	w, _ := newTestWatch()
	many := slices.Repeat([]string{chain.OverrideVariable + "=" + strings.Repeat("x", 1<<16), "OTHER=1"}, 1000)
	kept := w.relevant(many)
	if len(kept) != 64 || len(kept[0]) != 4096 {
		t.Errorf("%d entries of %d bytes", len(kept), len(kept[0]))
	}
}

func TestParseEvent(t *testing.T) {
	for _, short := range [][]byte{nil, make([]byte, 30), make([]byte, 60)} {
		if e, ok := parseEvent(short); ok {
			t.Errorf("%d bytes are %+v", len(short), e)
		}
	}
}
