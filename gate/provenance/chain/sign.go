package chain

import (
	"path"
	"slices"
	"strings"

	"forkgate/gate"
	"forkgate/gate/provenance"
)

// Sign is what gives an agent away in a process.
type Sign struct {
	Agent   string
	What    string // the mark, as the data file spells it
	Program bool   // the process is the agent itself; otherwise an agent has started it, or may have
}

// String is a sentence's end: "comm claude, a mark of Claude Code".
func (s Sign) String() string {
	return gate.Printable(s.What) + ", a mark of " + gate.Printable(s.Agent)
}

// Signs finds what gives agents away in a process: names are compared whole, and variables by their exact name. What mixed marks
// stand for decides nothing, so they are not looked at.
func Signs(agents []provenance.Agent, p Process) []Sign {
	var signs []Sign
	for _, a := range agents {
		if what, ok := programSign(a, p); ok {
			signs = append(signs, Sign{Agent: a.Name, What: what, Program: true})
		}
		for _, m := range a.Env {
			if slices.ContainsFunc(p.Environ, m.On) {
				signs = append(signs, Sign{Agent: a.Name, What: m.String()})
			}
		}
	}
	return signs
}

// programSign says by which of its names a process is the agent.
func programSign(a provenance.Agent, p Process) (what string, ok bool) {
	if slices.Contains(a.Comm, p.Comm) {
		return "comm " + p.Comm, true
	}
	if exe := p.executable(); exe != "" && slices.Contains(a.Exe, path.Base(exe)) {
		return "exe " + path.Base(exe), true
	}
	names := p.programNames()
	for _, file := range append([]string{p.executable()}, names...) {
		for component := range strings.SplitSeq(file, "/") {
			if slices.Contains(a.Path, component) {
				return "path " + component, true
			}
		}
	}
	for _, word := range names {
		if base := path.Base(word); slices.Contains(a.Argv, base) {
			return "argv " + base, true
		}
	}
	return "", false
}

// programNames are the words of a command line that may name what runs. There are such where an interpreter does it, and nowhere else: "which
// claude" is no agent. They are its first word, and what follows up to the first that is no option and cannot be the value of one: which options
// take values, as in "node --require x script", is the interpreter's to know. After -c, -e and -m one word is left to look at; the others are
// arguments of what that names.
func (p Process) programNames() []string {
	if len(p.Argv) == 0 || !p.interprets() {
		return nil
	}
	isOption := func(word string) bool { return len(word) > 1 && word[0] == '-' }
	for i := 1; i < len(p.Argv); i++ {
		before := p.Argv[i-1]
		last := before == "-c" || before == "-e" || before == "-m"
		takes := i > 1 && isOption(before) && !strings.Contains(before, "=")
		if last || !isOption(p.Argv[i]) && !takes {
			return p.Argv[:i+1]
		}
	}
	return p.Argv
}

// interpreters are programs that run what their command line names, without the number of a version.
var interpreters = []string{
	"ash", "bash", "bun", "busybox", "dash", "deno", "electron", "env", "fish", "guile", "java", "ksh", "lua", "luajit", "mksh", "node", "nodejs",
	"perl", "php", "pwsh", "pypy", "python", "ruby", "sh", "tclsh", "uv", "zsh",
}

// interprets reports whether a process is an interpreter, or may be.
func (p Process) interprets() bool {
	return p.Exe == "" || slices.Contains(interpreters, strings.TrimRight(p.Program(), "0123456789.-"))
}

// Strongest picks the sign to name: the agent itself before what it sets for others, then by name, so that the order of the data
// never shows.
func Strongest(signs []Sign) (Sign, bool) {
	if len(signs) == 0 {
		return Sign{}, false
	}
	return slices.MinFunc(signs, func(a, b Sign) int {
		if a.Program != b.Program {
			if a.Program {
				return -1
			}
			return 1
		}
		// A mark with its value says more than one that any value is enough for.
		if a, b := strings.ContainsAny(a.What, "=~"), strings.ContainsAny(b.What, "=~"); a != b {
			if a {
				return -1
			}
			return 1
		}
		return strings.Compare(a.Agent+a.What, b.Agent+b.What)
	}), true
}
