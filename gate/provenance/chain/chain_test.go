package chain

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"forkgate/gate/provenance"
)

var own = Namespaces{PID: "pid:[4026531836]", User: "user:[4026531837]", Mount: "mnt:[4026531832]"}

// person is the chain of somebody who logged in on a console or in a terminal and types ssh. Tests change it.
func person() []Process {
	root, alice := [4]uint32{}, [4]uint32{1000, 1000, 1000, 1000}
	p := func(pid, parent int, uids [4]uint32, exe string, argv ...string) Process {
		comm := exe[strings.LastIndexByte(exe, '/')+1:]
		return Process{
			PID: pid, Parent: parent, Start: uint64(pid), UIDs: uids, Terminal: 34817, Session: 300, Queue: 819200, Comm: comm, Exe: exe,
			Argv: append([]string{comm}, argv...), Environ: []string{"HOME=/home/alice", "TERM=xterm"}, Namespaces: own,
		}
	}
	return []Process{
		p(400, 300, alice, "/usr/bin/ssh", "demo@host"),
		p(300, 200, alice, "/usr/bin/bash"),
		p(200, 1, root, "/usr/bin/login", "-p", "--"),
		p(1, 0, root, "/usr/lib/systemd/systemd"),
	}
}

// between puts processes of alice's between her ssh and her shell, the lowest first.
func between(chain []Process, more ...Process) []Process {
	return slices.Concat(chain[:1], link(chain[0], more, chain[1]), chain[1:])
}

// link numbers processes so that they are children of top, and bottom is a child of the first.
func link(bottom Process, more []Process, top Process) []Process {
	out := slices.Clone(more)
	for i := range out {
		filled := bottom
		filled.Comm, filled.Exe, filled.Argv = "bash", "/usr/bin/bash", []string{"bash"}
		filled.Environ = slices.Clone(bottom.Environ)
		filled.PID = top.PID + len(out) - i
		overlay(&filled, out[i])
		out[i] = filled
	}
	return out
}

// overlay sets what a test speaks of.
func overlay(p *Process, say Process) {
	if say.Comm != "" {
		p.Comm = say.Comm
	}
	if say.Exe != "" {
		p.Exe = say.Exe
	}
	if say.Argv != nil {
		p.Argv = say.Argv
	}
	p.Environ = append(p.Environ, say.Environ...)
}

// renumber makes each process the child of the next.
func renumber(chain []Process) []Process {
	for i := range chain[:len(chain)-1] {
		chain[i].Parent = chain[i+1].PID
		chain[i].Start = uint64(chain[i].PID)
	}
	return chain
}

// memory remembers, of each process, what a test says of it.
type memory struct {
	processes map[int]Remembered
	terminals map[int]string
}

func (m memory) Process(pid int, _ uint64) (Remembered, bool) {
	r, ok := m.processes[pid]
	return r, ok
}

func (m memory) Terminal(terminal, _ int) (string, bool) {
	agent, ok := m.terminals[terminal]
	return agent, ok
}

// saw is the memory of an attestor that has seen a chain come to be as it is.
func saw(chain []Process) memory {
	m := memory{processes: map[int]Remembered{}, terminals: map[int]string{}}
	for _, p := range chain {
		m.processes[p.PID] = Remembered{Parent: p.Parent, Environ: p.Environ, Exec: true}
	}
	return m
}

func claude() provenance.Agent {
	m, _ := provenance.ParseMark("CLAUDECODE=1")
	return provenance.Agent{Name: "Claude Code", Env: []provenance.Mark{m}, Comm: []string{"claude"}}
}

func testRules() Rules {
	return Rules{
		Agents: []provenance.Agent{claude()}, Logins: []string{"/usr/bin/login"}, Own: own, Protections: provenance.Protections(),
	}
}

// fsOf writes a chain as the kernel shows it in /proc.
func fsOf(chain []Process) fstest.MapFS {
	proc := fstest.MapFS{}
	for _, p := range chain {
		dir := fmt.Sprint(p.PID) + "/"
		text := func(name, s string) { proc[dir+name] = &fstest.MapFile{Data: []byte(s)} }
		linkTo := func(name, s string) { proc[dir+name] = &fstest.MapFile{Data: []byte(s), Mode: 0o777 | 1<<27} }
		text("stat", fmt.Sprintf("%d (%s) S %d 7 %d %d 7 0 0 0 0 0 0 0 0 0 20 0 1 0 %d 0 0\n", p.PID, p.Comm, p.Parent, p.Session, p.Terminal, p.Start))
		text("status", fmt.Sprintf("Name:\tx\nTracerPid:\t%d\nUid:\t%d\t%d\t%d\t%d\nGid:\t%d\t%[6]d\t%[6]d\t%[6]d\nGroups:\t%s\n",
			p.Tracer, p.UIDs[0], p.UIDs[1], p.UIDs[2], p.UIDs[3], p.GID, strings.Trim(fmt.Sprint(p.Groups), "[]")))
		queue := fmt.Sprint(p.Queue)
		if p.Queue == math.MaxUint64 {
			queue = "unlimited"
		}
		text("limits", "Limit                     Soft Limit           Hard Limit           Units\nMax msgqueue size         7  "+queue+"  bytes\n")
		text("cmdline", nulled(p.Argv))
		text("environ", nulled(p.Environ))
		linkTo("ns/pid", p.Namespaces.PID)
		linkTo("ns/user", p.Namespaces.User)
		linkTo("ns/mnt", p.Namespaces.Mount)
		if p.Exe != "" {
			linkTo("exe", p.Exe)
		}
	}
	return proc
}

func nulled(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return strings.Join(list, "\x00") + "\x00"
}

func TestWalkReadsWhatIsThere(t *testing.T) {
	want := person()
	want[1].Comm, want[1].Queue, want[1].Groups = "x) R 1 (y\n", math.MaxUint64, []uint32{4, 1000}
	got, err := Walk(fsOf(want), 400)
	if err != nil {
		t.Fatal(err)
	}
	for i := range want {
		if want[i].Groups == nil {
			want[i].Groups = []uint32{}
		}
		if fmt.Sprintf("%#v", got[i]) != fmt.Sprintf("%#v", want[i]) {
			t.Errorf("got %#v\nwant %#v", got[i], want[i])
		}
	}
}

func TestWalkRefusesWhatDoesNotFit(t *testing.T) {
	for name, spoil := range map[string]func(fstest.MapFS){
		"a parent that is gone":    func(fs fstest.MapFS) { delete(fs, "300/stat") },
		"no status":                func(fs fstest.MapFS) { delete(fs, "300/status") },
		"no environment":           func(fs fstest.MapFS) { delete(fs, "300/environ") },
		"no namespace":             func(fs fstest.MapFS) { delete(fs, "300/ns/user") },
		"a loop":                   func(fs fstest.MapFS) { replace(fs, "200/stat", ") S 1 ", ") S 400 ") },
		"a child of itself":        func(fs fstest.MapFS) { replace(fs, "200/stat", ") S 1 ", ") S 200 ") },
		"a parent that is younger": func(fs fstest.MapFS) { replace(fs, "300/stat", "1 0 300", "1 0 401") },
		"another process's stat":   func(fs fstest.MapFS) { replace(fs, "300/stat", "300 (", "301 (") },
		"no name":                  func(fs fstest.MapFS) { replace(fs, "300/stat", "(", "") },
		"three uids":               func(fs fstest.MapFS) { replace(fs, "300/status", "1000\t1000\t1000\t1000", "1000\t1000\t1000") },
		"a second line Uid":        func(fs fstest.MapFS) { replace(fs, "300/status", "Groups:", "Uid:\t0\t0\t0\t0\nGroups:") },
		"a uid that is no number":  func(fs fstest.MapFS) { replace(fs, "300/status", "1000\t", "x\t") },
		"no limits":                func(fs fstest.MapFS) { replace(fs, "300/limits", "msgqueue", "queue") },
		"an endless environment":   func(fs fstest.MapFS) { fs["300/environ"].Data = make([]byte, maxFile+1) },
	} {
		fs := fsOf(person())
		before := maps.Clone(fs)
		spoil(fs)
		if chain, err := Walk(fs, 400); err == nil {
			t.Errorf("%s: %d processes of %d", name, len(chain), len(before))
		}
	}
	if _, err := Walk(fsOf(person()), 0); err == nil {
		t.Error("process 0 has a chain")
	}
}

func replace(fs fstest.MapFS, name, old, new string) {
	text := string(fs[name].Data)
	if !strings.Contains(text, old) {
		panic(name + " holds no " + old)
	}
	fs[name] = &fstest.MapFile{Data: []byte(strings.Replace(text, old, new, 1))}
}

// FuzzProc tries what may stand in /proc: what processes write there themselves is their names, arguments and environments.
func FuzzProc(f *testing.F) {
	f.Add("bash", "-c\x00x", "A=1\x00B=2", "/usr/bin/bash", "300 (bash) S 200 7 300 34817 7 0 0 0 0 0 0 0 0 0 20 0 1 0 300 0 0\n", "Uid:\t0\t0\t0\t0\n")
	f.Add(") S 1 (", "", "\x00\x00", "", "", "")
	f.Fuzz(func(t *testing.T, comm, argv, environ, exe, stat, status string) {
		chain := person()
		chain[1].Comm, chain[1].Exe = comm, exe
		fs := fsOf(chain)
		fs["300/cmdline"] = &fstest.MapFile{Data: []byte(argv)}
		fs["300/environ"] = &fstest.MapFile{Data: []byte(environ)}
		got, err := Walk(fs, 400)
		if err == nil && (got[1].Comm != comm || got[1].Parent != 200 || got[1].UIDs != chain[1].UIDs) {
			t.Fatalf("a name of %q makes %+v", comm, got[1])
		}
		if err == nil {
			j := Judge(got, testRules(), saw(got))
			marked := slices.Contains(got[1].Environ, "CLAUDECODE=1") || comm == "claude"
			if marked && j.Verdict != provenance.ByAgent {
				t.Fatalf("a mark was overlooked: %+v", j)
			}
		}
		fs["300/stat"], fs["300/status"] = &fstest.MapFile{Data: []byte(stat)}, &fstest.MapFile{Data: []byte(status)}
		_, _ = Walk(fs, 400) // it must end, and not panic
	})
}
