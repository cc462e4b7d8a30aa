package gate

import (
	"fmt"
	"net/netip"
)

// Target is what a request is about. For op fork it is the fork to be; for words that concern nothing in particular it is
// zero.
type Target struct {
	GUID   string `json:"guid,omitempty"` // empty as long as the fork does not exist
	Repo   string `json:"repo"`
	Tag    string `json:"tag,omitempty"`
	Grand  bool   `json:"grand"` // production: the root of its forks
	Fork   bool   `json:"fork"`
	Owner  string `json:"owner,omitempty"`  // the principal that made the fork
	Parent string `json:"parent,omitempty"` // ref of what it was forked from

	// Entered says that an agent has been in its pod, and may have left there what waits for the next one.
	Entered bool `json:"entered,omitempty"`

	// ParentOwner is the parent's owner, known only while a fork is being asked for: a fork shows its maker all that its
	// parent holds.
	ParentOwner string `json:"parent_owner,omitempty"`
}

// Ref is the canonical name of the target.
func (t Target) Ref() string { return Ref{Repo: t.Repo, Tag: t.Tag}.String() }

// Request is the question put to policy. It carries every fact: deciding reads no clock, disk or network.
type Request struct {
	Caller  Caller     `json:"caller"`
	Op      Op         `json:"op"`
	Target  Target     `json:"target"`
	Source  netip.Addr `json:"source"`
	Door    string     `json:"door"`              // ssh, sshd, operator
	Command string     `json:"command,omitempty"` // as the client sent it; any bytes

	Forward Destination `json:"forward,omitzero"` // of ops forward-...: where it leads

	Grant    string `json:"grant,omitempty"`    // the grant that a session asks to use: found in the warden's book, and nowhere else
	Asker    string `json:"asker,omitempty"`    // for ops approve, revoke and kill: the principal whose session it is about
	Approver string `json:"approver,omitempty"` // for op revoke: the principal that approved it
}

// Verdict is the answer. The zero Verdict forbids.
type Verdict uint8

const (
	Forbid Verdict = iota
	Permit
)

func (v Verdict) String() string {
	if v == Permit {
		return "permit"
	}
	return "forbid"
}

// MarshalText makes a Verdict its word in JSON.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText reads "permit" or "forbid" and nothing else.
func (v *Verdict) UnmarshalText(b []byte) error {
	switch string(b) {
	case "permit":
		*v = Permit
	case "forbid":
		*v = Forbid
	default:
		return fmt.Errorf("%q is no verdict: permit or forbid", b)
	}
	return nil
}

// Decision is a verdict with the rule it comes from. The zero Decision forbids without a reason.
type Decision struct {
	Verdict Verdict `json:"verdict"`
	Rule    string  `json:"rule,omitempty"`  // empty: no rule matched, the default
	Where   string  `json:"where,omitempty"` // FILE:LINE of that rule
	Reason  string  `json:"reason,omitempty"`
	Hint    string  `json:"hint,omitempty"`

	// Limits are those of the fork to be. Only a decision that permits op fork has any, and without them no fork is made.
	Limits *Limits `json:"limits,omitempty"`

	// Record is how a session that is permitted is to be recorded.
	Record Recording `json:"record,omitempty"`

	// Approval is there where the answer would be yes if only the session had a grant.
	Approval *Approval `json:"approval,omitempty"`
}

// Refusal is what the caller hears of a decision that forbids.
func (d Decision) Refusal() *Refusal { return &Refusal{Reason: d.Reason, Hint: d.Hint} }
