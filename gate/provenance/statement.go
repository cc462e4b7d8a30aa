package provenance

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"forkgate/gate"
)

const (
	// StatementVersion is the one version of statements that is written and read.
	StatementVersion = 1
	// MaxStatement is the length of a statement in bytes.
	MaxStatement = 32 << 10

	maxReasons, maxReason = 12, 200
	maxChain, maxName     = 32, 15 // a name is a comm: TASK_COMM_LEN of include/linux/sched.h, less the NUL
	maxOverride           = 1024
)

// ErrStatement is a statement that is none: malformed, too long, of another version, or contradicting itself.
var ErrStatement = errors.New("not a statement")

// Statement is what an attestor says of the process that opened one connection. On the wire it is the JSON that Encode writes,
// byte for byte: no other order, spacing, field or version is read.
//
//	{"version":1,"verdict":"person","reasons":["..."],"uid":1000,"session":"HEX","host_key":"SHA256:...",
//	 "chain":[{"pid":812,"start":55210,"uid":1000,"name":"ssh"}],"protections":["tiocsti","ptrace","events"]}
//
// agent and override are there where there is one.
type Statement struct {
	Version     int          `json:"version"`
	Verdict     Verdict      `json:"verdict"`
	Reasons     []string     `json:"reasons"`         // why, one sentence each, printable
	Agent       string       `json:"agent,omitempty"` // the topmost agent, by its name in the data file
	UID         uint32       `json:"uid"`             // of the process that asked, as root sees it
	Session     string       `json:"session"`         // SSH session id, RFC 4253 section 7.2, in hex
	HostKey     string       `json:"host_key"`        // fingerprint of the key that signed the session id, SHA256:...
	Chain       []Link       `json:"chain"`           // the process that asked, its parent, and so on
	Protections []Protection `json:"protections"`     // what held when the chain was judged, and since the attestor started
	Override    *Override    `json:"override,omitempty"`
}

// Link is a process of the chain.
type Link struct {
	PID   int    `json:"pid"`
	Start uint64 `json:"start"` // clock ticks after boot, field 22 of /proc/PID/stat, proc(5)
	UID   uint32 `json:"uid"`
	Name  string `json:"name"` // comm
}

// Override is the wish to have an agent in named repositories, and where it was found.
type Override struct {
	Value      string     `json:"value"`
	PID        int        `json:"pid"`
	Start      uint64     `json:"start"`
	Protection Protection `json:"protection,omitempty"` // what kept others from rewriting it
	Refused    Refusal    `json:"refused,omitempty"`    // why it does not count; empty if it does
}

// Refusal is why an override does not count.
type Refusal string

const (
	SetByAgent  Refusal = "set-by-agent" // it is not in the environment that the topmost agent was started with
	Unprotected Refusal = "unprotected"  // nothing kept a child from rewriting it, or it has changed
	Malformed   Refusal = "malformed"    // not a list of exact names
	Unseen      Refusal = "unseen"       // above the agent the chain is not a person's
	Unnamed     Refusal = "unnamed"      // the topmost process with a mark has that of a variable: an agent that has no known name has started it
)

// Grants reports whether the override counts and names the repository.
func (o *Override) Grants(repository string) bool {
	if o == nil || o.Refused != "" || o.Protection == "" || repository == "" {
		return false
	}
	names, err := OverrideNames(o.Value)
	return err == nil && slices.Contains(names, repository)
}

// OverrideNames reads NAME,NAME: exact names of repositories. No pattern is a name.
func OverrideNames(value string) ([]string, error) {
	if len(value) > maxOverride {
		return nil, fmt.Errorf("it is longer than %d bytes", maxOverride)
	}
	names := strings.Split(value, ",")
	for _, name := range names {
		if err := gate.CheckName(name); err != nil {
			return nil, fmt.Errorf("%q is no name of a repository: %w", name, err)
		}
	}
	return names, nil
}

// Encode writes the statement. Reasons and processes beyond the bounds are left out, the last ones first.
func (s Statement) Encode() ([]byte, error) {
	s.Version = StatementVersion
	s.Reasons = append([]string{}, s.Reasons[:min(len(s.Reasons), maxReasons)]...)
	for i, reason := range s.Reasons {
		s.Reasons[i] = shorten(gate.Printable(reason), maxReason)
	}
	s.Chain = append([]Link{}, s.Chain[:min(len(s.Chain), maxChain)]...)
	for i := range s.Chain {
		s.Chain[i].Name = shorten(gate.Printable(s.Chain[i].Name), maxName)
	}
	s.Protections = append([]Protection{}, s.Protections...)
	if s.Override != nil && s.Override.Refused != "" {
		o := *s.Override
		o.Value = shorten(gate.Printable(o.Value), maxOverride)
		s.Override = &o
	}
	if err := s.check(); err != nil {
		return nil, err
	}
	b, err := json.Marshal(s)
	if err == nil && len(b) > MaxStatement {
		err = fmt.Errorf("%w: longer than %d bytes", ErrStatement, MaxStatement)
	}
	return b, err
}

// shorten cuts printable text to n bytes, never within a rune.
func shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}

// DecodeStatement reads what Encode wrote, and nothing else.
func DecodeStatement(b []byte) (Statement, error) {
	if len(b) > MaxStatement {
		return Statement{}, fmt.Errorf("%w: longer than %d bytes", ErrStatement, MaxStatement)
	}
	var version struct{ Version int }
	if err := json.Unmarshal(b, &version); err != nil {
		return Statement{}, fmt.Errorf("%w: %w", ErrStatement, err)
	}
	if version.Version != StatementVersion {
		return Statement{}, fmt.Errorf("%w: version %d, and this program reads version %d", ErrStatement, version.Version, StatementVersion)
	}
	var s Statement
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return Statement{}, fmt.Errorf("%w: %w", ErrStatement, err)
	}
	// A field twice, in other letters or followed by anything would read differently elsewhere.
	if again, err := json.Marshal(s); err != nil || !bytes.Equal(again, b) {
		return Statement{}, fmt.Errorf("%w: not in the form that an attestor writes", ErrStatement)
	}
	return s, s.check()
}

func (s Statement) check() error {
	wrong := func(format string, args ...any) error {
		return fmt.Errorf("%w: "+format, append([]any{ErrStatement}, args...)...)
	}
	switch {
	case s.Version != StatementVersion:
		return wrong("version %d", s.Version)
	case len(s.Reasons) == 0 || len(s.Reasons) > maxReasons:
		return wrong("%d reasons", len(s.Reasons))
	case len(s.Chain) == 0 || len(s.Chain) > maxChain:
		return wrong("a chain of %d processes", len(s.Chain))
	case s.Session == "" || s.HostKey == "":
		return wrong("it is bound to no connection")
	case s.Chain[0].UID != s.UID:
		return wrong("uid %d, and its process is uid %d's", s.UID, s.Chain[0].UID)
	case s.Verdict == ByPerson && s.Agent != "":
		return wrong("a person, and the agent %q", s.Agent)
	case len(s.Agent) > maxReason || s.Agent != gate.Printable(s.Agent):
		return wrong("the agent's name is too long or not printable")
	}
	for _, p := range s.Protections {
		if !p.valid() {
			return wrong("there is no protection %q", string(p))
		}
	}
	return errors.Join(s.checkTexts(), s.Override.check(s.Verdict))
}

func (s Statement) checkTexts() error {
	for _, reason := range s.Reasons {
		if len(reason) > maxReason || reason != gate.Printable(reason) {
			return fmt.Errorf("%w: the reason %.20q is too long or not printable", ErrStatement, reason)
		}
	}
	for _, l := range s.Chain {
		if len(l.Name) > maxName || l.Name != gate.Printable(l.Name) {
			return fmt.Errorf("%w: the process name %.20q is too long or not printable", ErrStatement, l.Name)
		}
	}
	return nil
}

func (o *Override) check(v Verdict) error {
	if o == nil {
		return nil
	}
	_, err := OverrideNames(o.Value)
	switch o.Refused {
	case "":
		if err != nil || !o.Protection.valid() || v != ByAgent {
			return fmt.Errorf("%w: an override that cannot count is not refused", ErrStatement)
		}
	case SetByAgent, Unprotected, Unseen, Malformed, Unnamed:
	default:
		return fmt.Errorf("%w: an override is not refused for %q", ErrStatement, string(o.Refused))
	}
	if len(o.Value) > maxOverride || o.Value != gate.Printable(o.Value) {
		return fmt.Errorf("%w: the override's value is too long or not printable", ErrStatement)
	}
	return nil
}
