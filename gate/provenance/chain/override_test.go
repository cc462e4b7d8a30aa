package chain

import (
	"slices"
	"testing"

	"forkgate/gate/provenance"
)

// agentWith is a person's shell, in which an agent was started with an override, and what the agent started.
func agentWith(value string) []Process {
	return between(person(), Process{Environ: []string{"CLAUDECODE=1", OverrideVariable + "=" + value}},
		Process{Comm: "claude", Exe: "/home/alice/.local/bin/claude", Environ: []string{OverrideVariable + "=" + value}})
}

func TestTheOverride(t *testing.T) {
	const worker, top = 1, 2 // indices in agentWith
	variable := OverrideVariable + "="
	rewrite := func(i int, value string) func(*trial) {
		return func(tr *trial) { // after its start was seen
			tr.chain[i].Environ = slices.DeleteFunc(slices.Clone(tr.chain[i].Environ), func(e string) bool { return len(valuesOf([]string{e})) > 0 })
			if value != "" {
				tr.chain[i].Environ = append(tr.chain[i].Environ, variable+value)
			}
		}
	}
	plain := func() []Process {
		chain := agentWith("demo")
		for _, i := range []int{worker, top} {
			chain[i].Environ = slices.DeleteFunc(chain[i].Environ, func(e string) bool { return e == variable+"demo" })
		}
		return chain
	}
	for _, c := range []struct {
		name    string
		chain   []Process
		bend    func(*trial)
		value   string
		refused provenance.Refusal
		by      provenance.Protection
	}{
		{"set above, the agent restarted", agentWith("demo,shop"), nil, "demo,shop", "", provenance.NoPtrace},
		{"seen at its start, where ptrace is open", agentWith("demo"), func(tr *trial) { tr.without(provenance.NoPtrace) }, "demo", "", provenance.Events},
		{"the agent has run on this terminal before", agentWith("demo"), func(tr *trial) { tr.memory.terminals[34817] = "Claude Code" }, "demo", "", provenance.NoPtrace},
		{"set by the agent", plain(), func(tr *trial) {
			tr.chain[worker].Environ = append(tr.chain[worker].Environ, variable+"demo")
			tr.memory.processes[tr.chain[worker].PID] = Remembered{Parent: tr.chain[worker].Parent, Exec: true, Environ: tr.chain[worker].Environ}
		}, "demo", provenance.SetByAgent, ""},
		{"set on the command line of ssh", plain(), func(tr *trial) {
			tr.chain[0].Environ = append(tr.chain[0].Environ, variable+"demo")
		}, "demo", provenance.SetByAgent, ""},
		{"a child rewrote its parent's environ", plain(), rewrite(top, "demo"), "demo", provenance.Unprotected, ""},
		{"a child rewrote the value", agentWith("demo"), rewrite(top, "shop"), "demo", provenance.Unprotected, ""},
		{"a child took it away", agentWith("demo"), rewrite(top, ""), "demo", provenance.Unprotected, ""},
		{"rewritten where nothing sees it", agentWith("demo"), func(tr *trial) {
			tr.without(provenance.NoPtrace)
			tr.memory.processes[tr.chain[top].PID] = Remembered{Parent: 300}
		}, "demo", provenance.Unprotected, ""},
		{"looked at late", agentWith("demo"), func(tr *trial) {
			r := tr.memory.processes[tr.chain[top].PID]
			r.Late = true
			tr.memory.processes[tr.chain[top].PID] = r
		}, "demo", provenance.Unprotected, ""},
		{"terminals are open", agentWith("demo"), func(tr *trial) { tr.without(provenance.NoTIOCSTI) }, "demo", provenance.Unprotected, ""},
		{"every repository", agentWith("*"), nil, "*", provenance.Malformed, ""},
		{"a pattern", agentWith("demo*"), nil, "demo*", provenance.Malformed, ""},
		{"empty", agentWith(""), nil, "", provenance.Malformed, ""},
		{"twice", agentWith("demo"), func(tr *trial) {
			tr.chain[top].Environ = append(tr.chain[top].Environ, variable+"shop")
			tr.memory.processes[tr.chain[top].PID] = Remembered{Parent: 300, Exec: true, Environ: tr.chain[top].Environ}
		}, "demo", provenance.Malformed, ""},
		{"an agent that only its variable shows", agentWith("demo"), func(tr *trial) {
			tr.chain[top].Comm, tr.chain[top].Environ = "warp", append(tr.chain[top].Environ, "CLAUDECODE=1")
			tr.memory.processes[tr.chain[top].PID] = Remembered{Parent: 300, Exec: true, Environ: tr.chain[top].Environ}
		}, "demo", provenance.Unnamed, ""},
		{"an agent of an agent's", agentWith("demo"), func(tr *trial) {
			tr.memory.processes[300] = Remembered{Parent: 200, Agent: "Codex"}
		}, "demo", provenance.SetByAgent, ""},
		{"an agent that is an orphan", agentWith("demo"), func(tr *trial) {
			tr.memory.processes[tr.chain[top].PID] = Remembered{Parent: 299, Exec: true, Environ: tr.chain[top].Environ}
		}, "demo", provenance.Unseen, ""},
		{"above the agent is tmux", agentWith("demo"), func(tr *trial) { tr.chain[3].Exe = "/usr/bin/tmux" }, "demo", provenance.Unseen, ""},
		{"above the agent is no login", agentWith("demo"), func(tr *trial) { tr.chain[4].Exe = "/usr/sbin/cron" }, "demo", provenance.Unseen, ""},
		{"above the agent is a debugger", agentWith("demo"), func(tr *trial) { tr.chain[3].Tracer = 9 }, "demo", provenance.Unseen, ""},
		{"the agent executes itself with it", agentWith("demo"), func(tr *trial) {
			tr.memory.processes[tr.chain[top].PID] = Remembered{Parent: 300, Exec: true, Environ: tr.chain[top].Environ, Again: true}
		}, "demo", provenance.SetByAgent, ""},
		{"the agent executes itself with another", agentWith("demo"), func(tr *trial) {
			tr.memory.processes[tr.chain[top].PID] = Remembered{Parent: 300, Exec: true, Environ: tr.chain[top].Environ, Again: true, First: []string{variable + "shop"}}
		}, "demo", provenance.SetByAgent, ""},
		{"a script that executes the agent", agentWith("demo"), func(tr *trial) {
			tr.memory.processes[tr.chain[top].PID] = Remembered{Parent: 300, Exec: true, Environ: tr.chain[top].Environ, Again: true, First: tr.chain[top].Environ}
		}, "demo", "", provenance.NoPtrace},
		{"its start was not seen", agentWith("demo"), func(tr *trial) {
			tr.memory.processes[tr.chain[top].PID] = Remembered{Parent: 300}
		}, "demo", provenance.Unprotected, ""},
		{"nobody hears of starts", agentWith("demo"), func(tr *trial) { tr.without(provenance.Events) }, "demo", provenance.Unprotected, ""},
		{"none", plain(), nil, "", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			tr := newTrial(c.chain)
			if c.bend != nil {
				c.bend(tr)
			}
			j := tr.judge(t)
			if j.Verdict != provenance.ByAgent {
				t.Fatalf("got %+v", j)
			}
			o := j.Override
			if c.refused == "" && c.by == "" {
				if o != nil {
					t.Errorf("got %+v, want none", o)
				}
				return
			}
			if o == nil || o.Value != c.value || o.Refused != c.refused || o.Protection != c.by {
				t.Fatalf("got %+v, %q", o, j.Reasons)
			}
			if granted := o.Grants("demo"); granted != (c.refused == "") {
				t.Errorf("granted: %t", granted)
			}
		})
	}
}
