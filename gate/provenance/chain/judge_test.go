package chain

import (
	"math"
	"slices"
	"strings"
	"testing"

	"forkgate/gate/provenance"
)

// trial is a chain, what is remembered of it and the rules, before the judgement. A test bends one of them.
type trial struct {
	chain  []Process
	memory memory
	rules  Rules
}

// judge judges a chain that was read from a /proc.
func (tr *trial) judge(t *testing.T) Judgement {
	t.Helper()
	chain, err := Walk(fsOf(tr.chain), tr.chain[0].PID)
	if err != nil {
		t.Fatal(err)
	}
	return Judge(chain, tr.rules, tr.memory)
}

func newTrial(chain []Process) *trial {
	renumber(chain)
	return &trial{chain: chain, memory: saw(chain), rules: testRules()}
}

func TestAPerson(t *testing.T) {
	for name, chain := range map[string][]Process{
		"from a console":      person(),
		"by scp":              between(person(), Process{Comm: "scp", Exe: "/usr/bin/scp", Argv: []string{"scp", "x", "demo@host:"}}),
		"by git":              between(person(), Process{Comm: "git", Exe: "/usr/bin/git"}, Process{Comm: "git", Exe: "/usr/bin/git"}),
		"in a script":         between(person(), Process{Argv: []string{"bash", "./deploy"}}),
		"near a mark":         between(person(), Process{Environ: []string{"CLAUDECODE=0", "MY_CLAUDECODE=1", "CLAUDECODE="}}),
		"near a name":         between(person(), Process{Comm: "claudette", Exe: "/home/alice/claude/bin/x", Argv: []string{"claude", "claude"}}),
		"an override is none": between(person(), Process{Environ: []string{OverrideVariable + "=demo"}}),
	} {
		t.Run(name, func(t *testing.T) {
			j := newTrial(chain).judge(t)
			if j.Verdict != provenance.ByPerson || j.Agent != "" || len(j.Reasons) != 1 || j.Override != nil || len(j.Protections) != 3 {
				t.Errorf("got %+v", j)
			}
		})
	}
}

// TestTricks names each row after what an agent tries. Without the trick each of these chains is a person's: see TestAPerson.
func TestTricks(t *testing.T) {
	agent, unverified := provenance.ByAgent, provenance.Unverified
	started := Process{Comm: "claude", Exe: "/home/alice/.local/bin/claude"}
	for _, c := range []struct {
		name  string
		chain []Process
		bend  func(*trial)
		want  provenance.Verdict
		says  string
	}{
		{"none: an agent", between(person(), started), nil, agent, "comm claude"},
		{"its variable", between(person(), Process{Environ: []string{"CLAUDECODE=1"}}), nil, agent, "CLAUDECODE=1"},
		{"env -i", between(person(), Process{Environ: []string{}}, started), func(tr *trial) { tr.chain[0].Environ = nil }, agent, "comm claude"},
		{"environment rewritten", between(person(), Process{}), func(tr *trial) {
			tr.memory.processes[tr.chain[1].PID] = Remembered{Parent: 300, Environ: []string{"CLAUDECODE=1"}, Exec: true}
		}, agent, "CLAUDECODE=1"},
		{"exec -a", between(person(), Process{Comm: "claude", Argv: []string{"bash"}}), nil, agent, "comm claude"},
		{"renamed binary", between(person(), Process{Comm: "innocent", Exe: "/tmp/innocent"}), func(tr *trial) {
			tr.memory.processes[301] = Remembered{Parent: 300, Agent: "Claude Code"}
		}, agent, "was Claude Code once"},
		{"double fork and setsid", reparented(1), nil, unverified, "has lost its parents"},
		{"double fork under a subreaper", person(), func(tr *trial) {
			tr.memory.processes[400] = Remembered{Parent: 350}
		}, unverified, "started by process 350, which is gone"},
		{"CLONE_PARENT", person(), func(tr *trial) { tr.chain[0].Queue-- }, unverified, "mark that what agents start inherits"},
		{"systemd --user", underSystemd(), nil, unverified, "systemd --user"},
		{"cron", replaced(2, func(p *Process) { p.Exe = "/usr/sbin/cron" }), nil, unverified, "root's but no login"},
		{"a login of one's own", replaced(2, func(p *Process) { p.UIDs = [4]uint32{1000, 1000, 1000, 1000} }), nil, unverified, "lost its parents"},
		{"a login in another mount namespace", replaced(2, func(p *Process) { p.Namespaces.Mount = "mnt:[9]" }), nil, unverified, "no login"},
		{"su", replaced(1, func(p *Process) { p.UIDs = [4]uint32{1001, 1001, 1001, 1001} }), nil, unverified, "another user"},
		{"half a user", replaced(0, func(p *Process) { p.UIDs[1] = 0 }), nil, unverified, "several user ids"},
		{"own pid namespace", replaced(0, func(p *Process) { p.Namespaces.PID = "pid:[9]" }), func(tr *trial) {
			tr.rules.Protections, tr.rules.WithoutWatch = []provenance.Protection{provenance.NoPtrace, provenance.NoTIOCSTI}, true
		}, unverified, "pid namespace of its own"},
		{"nothing outside its namespaces", replaced(1, func(p *Process) { p.Namespaces.User = "user:[9]" }), nil, unverified, "nothing of the caller's is outside"},
		{"tmux", between(person(), Process{Comm: "tmux: server", Exe: "/usr/bin/tmux"}), nil, unverified, "hosts what others may type"},
		{"screen", between(person(), Process{Comm: "screen", Exe: "/usr/bin/screen"}), nil, unverified, "hosts what others may type"},
		{"an editor", between(person(), Process{Comm: "code", Exe: "/usr/share/code/code"}), nil, unverified, "hosts what others may type"},
		{"a host that nobody knows", between(person(), Process{Comm: "newmux", Exe: "/usr/bin/newmux"}), func(tr *trial) {
			tr.chain[0].Terminal = 34818
		}, unverified, "another terminal"},
		{"sshd", replaced(2, func(p *Process) { p.Exe, p.Comm = "/usr/sbin/sshd", "sshd" }), nil, unverified, "root's but no login"},
		{"no terminal", replaced(0, func(p *Process) { p.Terminal = 0 }), nil, unverified, "has no terminal"},
		{"an agent was on the terminal", person(), func(tr *trial) { tr.memory.terminals[34817] = "Claude Code" }, unverified, "Claude Code ran on this terminal"},
		{"TIOCSTI", person(), func(tr *trial) { tr.without(provenance.NoTIOCSTI) }, unverified, "legacy_tiocsti"},
		{"ptrace", person(), func(tr *trial) { tr.without(provenance.NoPtrace) }, unverified, "ptrace_scope"},
		{"a debugger", replaced(1, func(p *Process) { p.Tracer = 77 }), nil, unverified, "traced by process 77"},
		{"nothing is reported", person(), func(tr *trial) { tr.without(provenance.Events) }, unverified, "CAP_NET_ADMIN"},
		{"older than the attestor", person(), func(tr *trial) { delete(tr.memory.processes, 300) }, unverified, "older than the attestor"},
		{"LD_PRELOAD", replaced(0, func(p *Process) { p.Environ = append(p.Environ, "LD_PRELOAD=/tmp/x.so") }), nil, unverified, "LD_PRELOAD"},
		{"its first thread has ended", replaced(1, func(p *Process) { p.Exe = "" }), nil, unverified, "first thread has ended"},
		{"nobody logged in", person()[2:], nil, unverified, "leads to no login"},
		{"an agent above, and no login", append(reparented(1)[:1], Process{PID: 1, Comm: "claude", Exe: "/claude", Namespaces: own, Queue: 1}), nil, agent, "comm claude"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tr := newTrial(c.chain)
			if c.bend != nil {
				c.bend(tr)
			}
			j := tr.judge(t)
			if j.Verdict != c.want || !strings.Contains(strings.Join(j.Reasons, "\n"), c.says) {
				t.Errorf("got %s, %q; want %s, %q", j.Verdict, j.Reasons, c.want, c.says)
			}
			if (j.Agent != "") != (c.want == agent) {
				t.Errorf("the agent is %q", j.Agent)
			}
		})
	}
}

func (tr *trial) without(p provenance.Protection) {
	tr.rules.Protections = slices.DeleteFunc(tr.rules.Protections, func(q provenance.Protection) bool { return p == q })
}

// replaced is a person's chain with one process changed.
func replaced(i int, change func(*Process)) []Process {
	chain := person()
	change(&chain[i])
	return chain
}

// reparented is the chain of a process that a double fork has left to another.
func reparented(pid int) []Process {
	chain := person()
	return []Process{chain[0], chain[slices.IndexFunc(chain, func(p Process) bool { return p.PID == pid })]}
}

func underSystemd() []Process {
	chain := person()
	chain[2].UIDs, chain[2].Comm, chain[2].Exe = chain[0].UIDs, "systemd", "/usr/lib/systemd/systemd"
	return chain
}

// Who is in namespaces of another kind is named, whatever comes out. With parents outside that are seen it is no fault.
func TestForeignNamespaces(t *testing.T) {
	inner, outer := Namespaces{PID: "pid:[9]", User: "user:[9]", Mount: own.Mount}, Namespaces{PID: own.PID, User: "user:[9]", Mount: own.Mount}
	tr := newTrial(between(person(), Process{Comm: "make"}, Process{Comm: "bash"}, Process{Comm: "unshare"}))
	for i, n := range []Namespaces{inner, inner, inner, outer} {
		tr.chain[i].Namespaces = n
	}
	want := []string{"not in the workstation's pid, user namespace: process 400 (ssh), process 303 (make), process 302 (bash)",
		"not in the workstation's user namespace: process 301 (unshare)"}
	j := tr.judge(t)
	if j.Verdict != provenance.ByPerson || len(j.Reasons) != 3 || !strings.Contains(j.Reasons[0], "unbroken") {
		t.Errorf("got %s, %q", j.Verdict, j.Reasons)
	}
	if got := j.Reasons[1:]; !slices.Equal(got, want) {
		t.Errorf("named %q, want %q", got, want)
	}
	agent := newTrial(between(person(), Process{Comm: "claude", Exe: "/home/alice/.local/bin/claude"}))
	agent.chain[0].Namespaces.Mount = "mnt:[9]"
	if j := agent.judge(t); j.Verdict != provenance.ByAgent || !strings.Contains(j.Reasons[len(j.Reasons)-1], "mount namespace: ") {
		t.Errorf("got %s, %q", j.Verdict, j.Reasons)
	}
}

func TestAnAdmittedHost(t *testing.T) {
	tmux := func() *trial {
		// The server has left its parents, as tmux does.
		chain := between(person(), Process{Comm: "bash"}, Process{Comm: "tmux: server", Exe: "/usr/bin/tmux"})
		chain = slices.Delete(chain, 3, 5)
		chain[0].Terminal, chain[1].Terminal, chain[2].Terminal = 34818, 34818, 0
		tr := newTrial(chain)
		tr.memory.processes[chain[2].PID] = Remembered{Parent: 299, Exec: true}
		tr.rules.Hosts = []string{"/usr/bin/tmux"}
		return tr
	}
	if j := tmux().judge(t); j.Verdict != provenance.ByPerson {
		t.Errorf("admitted, and yet %+v", j)
	}
	for name, bend := range map[string]func(*trial){
		"not admitted":            func(tr *trial) { tr.rules.Hosts = nil },
		"only called so":          func(tr *trial) { tr.chain[2].Exe = "/tmp/tmux" },
		"a file of its own there": func(tr *trial) { tr.chain[2].Namespaces.Mount = "mnt:[9]" },
		"nothing is reported":     func(tr *trial) { tr.without(provenance.Events); tr.rules.WithoutWatch = true },
		"its start was not seen":  func(tr *trial) { delete(tr.memory.processes, tr.chain[2].PID) },
		"an agent started it":     func(tr *trial) { tr.memory.processes[tr.chain[2].PID] = Remembered{Parent: 299, Agent: "Claude Code"} },
	} {
		tr := tmux()
		bend(tr)
		if j := tr.judge(t); j.Verdict == provenance.ByPerson {
			t.Errorf("%s: %+v", name, j)
		}
	}
}

func TestNoChain(t *testing.T) {
	if j := Judge(nil, testRules(), memory{}); j.Verdict != provenance.Unverified || len(j.Reasons) == 0 {
		t.Errorf("got %+v", j)
	}
	if j := (Judgement{}); j.Verdict == provenance.ByPerson {
		t.Error("the zero judgement is a person's")
	}
}

func TestMarked(t *testing.T) {
	for _, c := range []struct {
		queue, topmost uint64
		want           bool
	}{{819200, 819200, false}, {819199, 819200, true}, {0, 819200, true}, {819200, math.MaxUint64, true}, {math.MaxUint64, 819200, false}} {
		if got := Marked(Process{Queue: c.queue}, Process{Queue: c.topmost}); got != c.want {
			t.Errorf("%d below %d: %t", c.queue, c.topmost, got)
		}
	}
}
