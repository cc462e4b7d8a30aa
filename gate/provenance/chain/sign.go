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
	if exe := p.executable(); exe != "" {
		if slices.Contains(a.Exe, path.Base(exe)) {
			return "exe " + path.Base(exe), true
		}
		for component := range strings.SplitSeq(exe, "/") {
			if slices.Contains(a.Path, component) {
				return "path " + component, true
			}
		}
	}
	for _, word := range p.Argv[:min(2, len(p.Argv))] {
		if base := path.Base(word); slices.Contains(a.Argv, base) {
			return "argv " + base, true
		}
	}
	return "", false
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
