package gate

import (
	"fmt"
	"slices"
)

// Kind says whether a caller acts as a person or as an agent. The zero Kind is an agent: whatever is missing, malformed
// or contradictory ends there.
type Kind uint8

const (
	Agent Kind = iota
	Human
)

func (k Kind) String() string {
	if k == Human {
		return "human"
	}
	return "agent"
}

// MarshalText makes a Kind its word in JSON.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads "human" or "agent" and nothing else.
func (k *Kind) UnmarshalText(b []byte) error {
	switch string(b) {
	case "human":
		*k = Human
	case "agent":
		*k = Agent
	default:
		return fmt.Errorf("%q is no kind of caller: human or agent", b)
	}
	return nil
}

// Class grades the evidence of who speaks, 0 (none) to 4 (presence). An approval is no class: it is a grant, of one thing. packaging/docs/provenance.md describes each.
type Class uint8

const (
	ClassNone     Class = iota // nothing: an agent
	ClassHint                  // marks that the client sent: these only ever lower
	ClassKey                   // a key that signed the session
	ClassAttested              // a certificate of the workstation's attestor for this very connection
	ClassPresence              // and, beside it, a security key that somebody touched for it
	ClassApproved              // a security key that verified who touched it, or a second person, has agreed to this very thing
)

func (c Class) String() string {
	switch c {
	case ClassNone:
		return "none"
	case ClassHint:
		return "hint"
	case ClassKey:
		return "key"
	case ClassAttested:
		return "attested"
	case ClassPresence:
		return "presence"
	case ClassApproved:
		return "approved"
	}
	return fmt.Sprintf("class %d", uint8(c))
}

// Caller is who speaks: a principal acting as human or agent, and why we think so.
type Caller struct {
	Principal string   `json:"principal"`
	Groups    []string `json:"groups,omitempty"`
	Kind      Kind     `json:"kind"`
	Class     Class    `json:"class"`
	Agent     string   `json:"agent,omitempty"` // which agent the marks name
	Key       string   `json:"key,omitempty"`   // SHA256 fingerprint of the key that signed
	Evidence  []string `json:"evidence"`        // one sentence per piece of evidence, for whoami and the audit log

	// Marks say by what exactly an agent gave itself away. They are for the record alone: what it hears of is what it leaves out next time.
	Marks []string `json:"-"`

	Attestor string   `json:"attestor,omitempty"` // whose word there is
	Attested string   `json:"attested,omitempty"` // and what it says: person, agent, unverified
	Chain    []string `json:"chain,omitempty"`    // of whom: the client's process, its parent and so on
	Shared   bool     `json:"shared,omitempty"`   // a person's connection, but for others who may use it as well

	// SecurityKey is the name of the key that was touched for this connection. Of class 4 only who came with an enrolled one may
	// approve: a marked one is believed on the operator's word, not on its maker's.
	SecurityKey string `json:"security_key,omitempty"`
	Enrolled    bool   `json:"enrolled,omitempty"` // that key was enrolled with its maker's attestation

	Override Override `json:"-"` // whoami says what it opens, and not why it opens nothing: agents ask, too
}

// Mark notes by what an agent gave itself away.
func (c *Caller) Mark(sentence string) {
	if !slices.Contains(c.Marks, sentence) {
		c.Marks = append(c.Marks, sentence)
	}
}
