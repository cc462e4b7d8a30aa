package attest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"forkgate/gate/provenance"
)

func TestAPersonIsOne(t *testing.T) {
	w := newWorkstation(t)
	w.daemon(t)
	a := w.login(t).asks("$ssh")
	if !a.Attested.Person() || a.Attested.Principal != "alice" || a.Attested.Attestor != "laptop" || a.Attested.Statement.UID != uid {
		t.Errorf("got %+v", a)
	}
}

const away = ">$HOME/said 2>&1"

// tricks are what an agent tries, each on a terminal of its own. Where control is given, it is the same without an agent, and comes out as
// a person's: what does not is the agent's doing. A command whose answer comes later writes it to a file.
var tricks = []struct {
	name    string
	command string
	later   bool
	want    provenance.Verdict
	says    string
	control string
}{
	{"none", "./claude $ssh", false, provenance.ByAgent, "comm claude", "bash -c '$0 $*; true' $ssh"},
	{"its variable", "CLAUDECODE=1 $ssh", false, provenance.ByAgent, "CLAUDECODE=1", "CLAUDECODE=0 $ssh"},
	{"an interpreter's option", "./gemini $ssh", false, provenance.ByAgent, "argv gemini", "bash --norc -c '$0 $*; true' $ssh"},
	{"python -m", "python3 -m aider $ssh", false, provenance.ByAgent, "argv aider", "python3 -m innocent $ssh"},
	{"env -i", "./claude env -i $ssh", false, provenance.ByAgent, "comm claude", "env -i $ssh"},
	{"exec -a", "(exec -a bash ./claude $ssh)", false, provenance.ByAgent, "comm claude", "(exec -a claude $ssh)"},
	{"double fork and setsid", "./claude bash -c 'setsid $0 $* " + away + " & disown' $ssh", true, provenance.ByAgent, "Claude Code once", ""},
	{"double fork, setsid, own terminal and env -i",
		"./claude bash -c 'setsid env -i script -qec \"$0 $*\" /dev/null " + away + " </dev/null & disown' $ssh", true, provenance.ByAgent, "Claude Code once", ""},
	{"own pid namespace", "./claude unshare -c -pf --mount-proc $ssh", false, provenance.ByAgent, "comm claude", "unshare -c -pf --mount-proc $ssh"},
	{"double fork in a pid namespace", "unshare -c -pf --mount-proc bash -c './claude bash -c \"$0 $* " + away + " &\" $0 $*; sleep 3' $ssh", true,
		provenance.ByAgent, "Claude Code once", ""},
	{"fake /proc in a user namespace", "./claude unshare -r -m bash -c 'mkdir -p ~/p/1; echo bash >~/p/1/comm; mount --bind ~/p /proc && $0 $*' $ssh", false,
		provenance.ByAgent, "comm claude", "unshare -r -m bash -c 'mkdir -p ~/p; mount --bind ~/p /proc && $0 $*' $ssh"},
	{"renamed binary", "./turncoat $ssh", false, provenance.ByAgent, "Claude Code once", "./innocent -c '$0 $*; true' $ssh"},
	{"binary under another name from the start", "cp claude ~/x; ./claude ~/x $ssh", false, provenance.ByAgent, "comm claude", "cp claude ~/x; ~/x $ssh"},
	{"a tmux started earlier", "./claude tmux -L t new -d sleep 20; tmux -L t new -d \"$ssh " + away + "\"", true, provenance.ByAgent, "Claude Code once", ""},
	{"CLONE_PARENT", "./clone/claude $ssh " + away, true, provenance.Unverified, "the mark that what agents start inherits",
		"./sibling.py $ssh " + away},
	{"its first thread ends", "./headless/claude $ssh " + away, true, provenance.ByAgent, "Claude Code once", ""},
	{"TIOCSTI", "./claude ./tiocsti.py \"$ssh " + away + "\"", true, provenance.Unverified, "Claude Code ran on this terminal",
		"./tiocsti.py \"$ssh " + away + "\""},
	{"ptrace of the person's shell", "./claude ./ptrace.py $$; $ssh", false, provenance.ByAgent, "Claude Code once", "./ptrace.py $$; $ssh"},
	{"LD_PRELOAD", "LD_PRELOAD=/nowhere.so $ssh 2>/dev/null", false, provenance.Unverified, "LD_PRELOAD", ""},
	{"script", "script -qec \"$ssh\" /dev/null", false, provenance.Unverified, "hosts what others may type", ""},
	{"orphan", "bash -c '(setsid $0 $* " + away + " &)' $ssh; sleep 0.2", true, provenance.Unverified, "", ""},
}

func TestTricks(t *testing.T) {
	letType(t)
	w := newWorkstation(t)
	w.tools(t)
	w.daemon(t)
	for _, trick := range tricks {
		t.Run(trick.name, func(t *testing.T) {
			if trick.control != "" {
				if a := w.ask(t, trick.control, trick.later); !a.Attested.Person() {
					t.Errorf("the control is not a person's: %+v", a.Attested.Statement)
				}
			}
			s := w.ask(t, trick.command, trick.later).Attested.Statement
			if s.Verdict != trick.want || !strings.Contains(strings.Join(s.Reasons, "\n"), trick.says) {
				t.Errorf("got %s, %q of %+v; want %s, %q", s.Verdict, s.Reasons, s.Chain, trick.want, trick.says)
			}
		})
	}
}

// letType has the kernel let processes type into their terminals until the test ends, which one of the tricks is about: where that is off,
// it works for nobody. There is one such setting for all of a machine (dev.tty.legacy_tiocsti in Documentation/admin-guide/sysctl).
func letType(t *testing.T) {
	t.Helper()
	const setting = "/proc/sys/dev/tty/legacy_tiocsti"
	was, err := os.ReadFile(setting)
	if errors.Is(err, os.ErrNotExist) {
		return // a kernel before 6.2, which always lets them
	}
	must(t, err)
	must(t, os.WriteFile(setting, []byte("1\n"), 0))
	t.Cleanup(func() {
		if err := os.WriteFile(setting, was, 0); err != nil {
			t.Error(err)
		}
	})
}

// ask has somebody who has just logged in type a command.
func (w *workstation) ask(t *testing.T, command string, later bool) answer {
	t.Helper()
	p := w.login(t)
	if !later {
		return p.asks(command)
	}
	p.types(command)
	return p.later("said")
}

// tools makes the programs that tricks want beside those in testdata.
func (w *workstation) tools(t *testing.T) {
	t.Helper()
	bash, err := os.ReadFile("/bin/bash")
	must(t, err)
	must(t, os.WriteFile(filepath.Join(w.dir, "innocent"), bash, 0o755))
	// An agent that becomes something else, and keeps its pid.
	must(t, os.Mkdir(filepath.Join(w.dir, "sub"), 0o755))
	must(t, os.WriteFile(filepath.Join(w.dir, "sub", "claude"), []byte("#!/bin/bash\nsleep 0.3; exec ./innocent -c '\"$0\" \"$@\"; true' \"$@\"\n"), 0o755))
	must(t, os.WriteFile(filepath.Join(w.dir, "turncoat"), []byte("#!/bin/bash\nexec ./sub/claude \"$@\"\n"), 0o755))
	must(t, os.WriteFile(filepath.Join(w.dir, "gemini"), []byte("#!/usr/bin/env -S bash --norc\n\"$@\"; true\n"), 0o755))
	for _, module := range []string{"aider", "innocent"} {
		must(t, os.WriteFile(filepath.Join(w.dir, module+".py"), []byte("import subprocess, sys\nsubprocess.call(sys.argv[1:])\n"), 0o644))
	}
	for dir, program := range map[string]string{"clone": "sibling.py", "headless": "headless.py"} {
		text, err := os.ReadFile(filepath.Join("testdata", program))
		must(t, err)
		must(t, os.Mkdir(filepath.Join(w.dir, dir), 0o755))
		must(t, os.WriteFile(filepath.Join(w.dir, dir, "claude"), text, 0o755))
	}
}

// The same where both ends have nothing in common but the kernel. No attestor hears of processes there: a gate that asks for that, as each does
// that is not told otherwise, takes nobody for a person. The tricks that this stops alone make a person of an agent where a gate does without;
// the others are found all the same.
func TestTricksApart(t *testing.T) {
	letType(t)
	w := install(t, true)
	w.tools(t)
	w.configure(t, `events = "optional"`)
	w.daemon(t)
	if s := w.ask(t, "$ssh", false).Attested.Statement; s.Verdict != provenance.ByPerson {
		t.Errorf("the control is not a person's: %+v", s)
	}
	stopped := []string{"renamed binary", "CLONE_PARENT", "TIOCSTI", "ptrace of the person's shell"}
	for _, trick := range tricks {
		t.Run(trick.name, func(t *testing.T) {
			a := w.ask(t, trick.command, trick.later).Attested
			if works := a.Statement.Verdict == provenance.ByPerson; works != slices.Contains(stopped, trick.name) {
				t.Errorf("taken for a person: %v; %+v", works, a.Statement)
			}
			if fmt.Sprint(a.Missing) != "[events]" || a.Person() {
				t.Errorf("a gate that asks for events takes it for a person: %+v", a)
			}
		})
	}
}

// This is the machine's own kernel, and what is not protected there is nobody's.
func TestTheKernelsOwnWord(t *testing.T) {
	w := newWorkstation(t)
	w.write(t, "sys/dev/tty/legacy_tiocsti", "1\n")
	must(t, os.Remove(filepath.Join(w.dir, "sys/kernel/yama/ptrace_scope")))
	stop := w.daemon(t)
	a := w.login(t).asks("$ssh")
	said := strings.Join(a.Attested.Statement.Reasons, "\n")
	if a.Attested.Statement.Verdict != provenance.Unverified || !strings.Contains(said, "legacy_tiocsti") || !strings.Contains(said, "ptrace_scope") {
		t.Errorf("got %+v", a.Attested.Statement)
	}
	// What was open once stays so until the attestor starts again.
	w.write(t, "sys/dev/tty/legacy_tiocsti", "0\n")
	w.write(t, "sys/kernel/yama/ptrace_scope", "1\n")
	if a := w.login(t).asks("$ssh"); a.Attested.Person() {
		t.Errorf("forgotten: %+v", a)
	}
	stop()
	w.daemon(t)
	if a := w.login(t).asks("$ssh"); !a.Attested.Person() {
		t.Errorf("got %+v", a)
	}
}

func TestTheOverride(t *testing.T) {
	w := newWorkstation(t)
	w.daemon(t)
	set := "export REDIACC_ALLOW_GRAND_REPO=demo; "
	bash, err := os.ReadFile("/bin/bash") // an agent that runs what it is told in its own process
	must(t, err)
	must(t, os.Mkdir(filepath.Join(w.dir, "own"), 0o755))
	must(t, os.WriteFile(filepath.Join(w.dir, "own", "claude"), bash, 0o755))
	must(t, os.WriteFile(filepath.Join(w.dir, "late.py"), []byte("import ctypes, subprocess, sys, time\ntime.sleep(0.3)\nctypes.CDLL(None).prctl(15, b'claude', 0, 0, 0)\nsubprocess.call(sys.argv[1:])\n"), 0o644))
	for _, c := range []struct {
		name, command string
		refused       provenance.Refusal
		none          bool
	}{
		{"not set", "./claude $ssh", "", true},
		{"set by the agent", "./claude env REDIACC_ALLOW_GRAND_REPO=demo $ssh", provenance.SetByAgent, false},
		{"set above while the agent runs", "./claude bash -c 'export REDIACC_ALLOW_GRAND_REPO=demo; ./claude $0 $*' $ssh", provenance.SetByAgent, false},
		{"set above, the agent restarted", "./claude true; " + set + "./claude $ssh", "", false},
		// An agent cannot have been told anything at first; see soon in gate/provenance/attestor.
		{"the agent executes itself with it", "own/claude -c 'sleep 0.2; exec env REDIACC_ALLOW_GRAND_REPO=demo own/claude -c \"\\$0 \\$*; true\" $0 $*' $ssh", provenance.SetByAgent, false},
		{"the agent exports it and executes itself", "own/claude -c 'sleep 0.2; export REDIACC_ALLOW_GRAND_REPO=demo; exec own/claude -c \"\\$0 \\$*; true\" $0 $*' $ssh", provenance.SetByAgent, false},
		{"set above, the agent executes itself", set + "own/claude -c 'exec own/claude -c \"\\$0 \\$*; true\" $0 $*' $ssh", "", false},
		{"set above, the agent executes itself with another", set + "own/claude -c 'sleep 0.2; exec env REDIACC_ALLOW_GRAND_REPO=shop own/claude -c \"\\$0 \\$*; true\" $0 $*' $ssh", provenance.SetByAgent, false},
		// One that takes its name late was an agent before.
		{"set above, it names itself", set + "python3 late.py $ssh", "", false},
		{"it executes itself with it, and names itself then", "python3 -c 'import os,sys,time; time.sleep(.2); os.environ[\"REDIACC_ALLOW_GRAND_REPO\"]=\"demo\"; " +
			"os.execvp(\"python3\", [\"python3\", \"late.py\"] + sys.argv[1:])' $ssh", provenance.SetByAgent, false},
		{"an agent that its variable alone shows", set + "CLAUDECODE=1 bash -c '$0 $*; true' $ssh", provenance.Unnamed, false},
		{"every repository", "export REDIACC_ALLOW_GRAND_REPO='*'; ./claude $ssh", provenance.Malformed, false},
		{"a child rewrote its parent's environ",
			"export PADDING=$(printf %0100d 0); ./claude bash -c './rewrite.py $PPID REDIACC_ALLOW_GRAND_REPO=demo && $0 $*; true' $ssh", provenance.Unprotected, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := w.login(t).asks(c.command).Attested
			o := a.Statement.Override
			switch {
			case c.none && o != nil, !c.none && (o == nil || o.Refused != c.refused):
				t.Errorf("got %+v of %+v", o, a.Statement)
			case a.Overrides("demo") != (!c.none && c.refused == "") || a.Overrides("shop"):
				t.Errorf("demo %t, shop %t: %+v", a.Overrides("demo"), a.Overrides("shop"), o)
			}
		})
	}
}

// Where nobody has seen the agent start, and the kernel's word that ptrace is shut is false, the rewritten environment is taken for what
// stood there: which is why nobody enters by one that was not seen.
func TestRewritingWorksUnseen(t *testing.T) {
	w := newWorkstation(t)
	w.configure(t, `events = "optional"`)
	w.daemon(t, "setpriv", "--bounding-set", "-net_admin")
	a := w.login(t).asks("export PADDING=$(printf %0100d 0); ./claude bash -c './rewrite.py $PPID REDIACC_ALLOW_GRAND_REPO=demo && $0 $*; true' $ssh")
	if o := a.Attested.Statement.Override; o == nil || o.Value != "demo" || o.Refused != provenance.Unprotected {
		t.Errorf("the value that a child wrote there: %+v", o)
	}
}

// A host that the operator vouches for may stand in a person's chain, unless an agent has started it.
func TestAnAdmittedHost(t *testing.T) {
	w := newWorkstation(t)
	w.configure(t, `hosts = ["/usr/bin/tmux"]`)
	w.daemon(t)
	session := "tmux -L %[1]s new -d \"$ssh >$HOME/%[1]s 2>&1\""
	p := w.login(t)
	p.types(fmt.Sprintf(session, "hers"))
	if a := p.later("hers"); !a.Attested.Person() {
		t.Errorf("alice's own: %+v", a.Attested.Statement)
	}
	// What that costs, as workstations.md and forkgate-attest check say: what an agent types there is alice's.
	p.types("tmux -L open new -d; ./claude tmux -L open send-keys \"$ssh >$HOME/typed 2>&1\" Enter")
	if a := p.later("typed"); !a.Attested.Person() {
		t.Errorf("typed by an agent: %+v", a.Attested.Statement)
	}
	p.types("./claude " + fmt.Sprintf(session, "its"))
	if a := p.later("its"); a.Attested.Statement.Verdict != provenance.ByAgent {
		t.Errorf("an agent's: %+v", a.Attested.Statement)
	}
}
