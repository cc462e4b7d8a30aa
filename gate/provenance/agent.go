package provenance

import (
	"fmt"
	"strings"
)

// Agent is what is known of one agent: how to tell that it, or something that it started, speaks. It comes from data.
type Agent struct {
	Name  string
	Env   []Mark   // variables that it sets; one is enough
	Mixed []Mark   // variables that an editor sets for a person too; never enough, however many
	Comm  []string // names as in /proc/PID/comm, 15 bytes at most
	Exe   []string // base names of the executable
	Path  []string // components of the executable's path
	Argv  []string // base names in the first two words of the command line, where a script hides behind its interpreter
}

// Check says what is wrong with an agent's data.
func (a Agent) Check() error {
	const taskComm = 15 // TASK_COMM_LEN of include/linux/sched.h, less the NUL
	if len(a.Env)+len(a.Comm)+len(a.Exe)+len(a.Path)+len(a.Argv) == 0 {
		return fmt.Errorf("nothing tells this agent: it needs one of env, comm, exe, path, argv")
	}
	for _, comm := range a.Comm {
		if len(comm) > taskComm {
			return fmt.Errorf("comm %q can never match: the kernel keeps %d bytes", comm, taskComm)
		}
	}
	for _, names := range [][]string{a.Comm, a.Exe, a.Path, a.Argv} {
		for _, name := range names {
			if name == "" || strings.ContainsAny(name, "/\x00") {
				return fmt.Errorf("%q is no name of a program: one component, without a slash", name)
			}
		}
	}
	return nil
}

// sign is a mark of an agent, found among the variables of a client.
type sign struct {
	agent string
	mark  Mark
	mixed bool
}

// stronger orders signs: decisive before mixed, an exact value before a part before any value, then by name, so that the
// order of the data never shows.
func (s sign) stronger(than sign) bool {
	switch {
	case s.mixed != than.mixed:
		return than.mixed
	case s.mark.Match != than.mark.Match:
		return s.mark.Match < than.mark.Match
	}
	return s.agent < than.agent
}

// read finds the strongest sign on one variable.
func read(agents []Agent, name, value string) (best sign, found bool) {
	try := func(s sign) {
		if s.mark.on(name, value) && (!found || s.stronger(best)) {
			best, found = s, true
		}
	}
	for _, a := range agents {
		for _, m := range a.Env {
			try(sign{agent: a.Name, mark: m})
		}
		for _, m := range a.Mixed {
			try(sign{agent: a.Name, mark: m, mixed: true})
		}
	}
	return best, found
}

func (s sign) String() string {
	shown := s.mark.Name // the value of a NonEmpty mark is the client's own business
	if s.mark.Match != NonEmpty {
		shown = s.mark.String()
	}
	if s.mixed {
		return fmt.Sprintf("the client sent %s: people who use %s send it too, so it decides nothing", shown, s.agent)
	}
	return fmt.Sprintf("the client sent %s: a mark of %s", shown, s.agent)
}
