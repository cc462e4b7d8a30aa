package provenance

import (
	"fmt"
	"slices"
)

// Verdict is what an attestor makes of a chain of processes. The zero Verdict is Unverified; whatever is not a person's is an
// agent's to a gate.
type Verdict uint8

const (
	Unverified Verdict = iota // nothing shows whose it is
	ByAgent                   // an agent is in it, or was
	ByPerson                  // unbroken to a login, without an agent
)

func (v Verdict) String() string {
	switch v {
	case ByAgent:
		return "agent"
	case ByPerson:
		return "person"
	}
	return "unverified"
}

// MarshalText makes a Verdict its word in JSON.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText reads the three words and nothing else.
func (v *Verdict) UnmarshalText(b []byte) error {
	for _, known := range []Verdict{Unverified, ByAgent, ByPerson} {
		if string(b) == known.String() {
			*v = known
			return nil
		}
	}
	return fmt.Errorf("%q is no verdict: person, agent or unverified", b)
}

// Protection is something on a workstation that keeps agents from acting through a person's processes.
type Protection string

const (
	NoTIOCSTI Protection = "tiocsti" // nobody types into a terminal but its keyboard: dev.tty.legacy_tiocsti = 0, Linux 6.2
	NoPtrace  Protection = "ptrace"  // no process rewrites one that is not its child: kernel.yama.ptrace_scope >= 1
	Events    Protection = "events"  // the kernel reports each fork and exec, so that what was an agent once stays one
)

// Protections lists those that there are.
func Protections() []Protection { return []Protection{NoTIOCSTI, NoPtrace, Events} }

func (p Protection) valid() bool { return slices.Contains(Protections(), p) }

// ParseProtection reads a word of Protections.
func ParseProtection(word string) (Protection, error) {
	if p := Protection(word); p.valid() {
		return p, nil
	}
	return "", fmt.Errorf("%q is no protection: there are %q", word, Protections())
}
