package gate

import (
	"context"
	"fmt"
	"net/netip"
	"time"
)

// Evidence is what the door saw and the warden verified about who speaks on one channel.
type Evidence struct {
	Principal     string // whose key signed the session, or in whose name an attestor speaks; never empty
	Key           string // that key's SHA256 fingerprint
	ClientVersion string
	Source        netip.Addr
	Door          string
	Env           []string // NAME=VALUE as the client sent them on this channel: marks of agents, worth a hint
	Alone         bool     // the client has said that no further session comes on this connection

	Authority string // SHA256 fingerprint of the certificate authority's key that says whose Key is; empty: the policy says so itself

	Attestor  string // SHA256 fingerprint of the attestor's key that signed Key's certificate; empty for an ordinary key
	Statement []byte // which that certificate carries, as the warden verified it

	SecurityKey bool   // Key is a security key's (sk-), and was touched: which by itself shows nobody
	Touch       *Touch // beside a certificate, as second factor; nil: none
	Untouched   string // names of the security keys that could have been; for whoami
}

// Touch is a security key that somebody touched for this connection, and that counts: the warden has verified its signature, and knows
// the key as the principal's.
type Touch struct {
	Name     string // of the key, the operator's
	Key      string // its SHA256 fingerprint
	Enrolled bool   // with its maker's attestation; else it is marked by the operator
}

// Ask is what arrives on one channel: somebody wants to do something somewhere.
type Ask struct {
	Session  string // names this session in the log, in messages and for the operator
	Evidence Evidence
	Ref      Ref
	Op       Op
	Work     Work
	Tell     func(text string) // tells the caller what the ask waits for, and by an empty text that it waits for no approval any more; nil: nobody hears it
	Note     func(text string) // tells the caller what is missing of what was asked for, though the session comes about
}

// Work is what is to run inside the pod.
type Work struct {
	Command  []byte      // for a shell; empty asks for a login shell
	Env      []string    // NAME=VALUE, already filtered by the door
	Terminal *Terminal   // nil: pipes
	Forward  Destination // in place of a command: carry bytes to there
	Listen   bool        // listen there instead, and carry bytes to the caller
	Agent    bool        // the caller's ssh-agent comes along, if policy lets it
	Grant    string      // what it runs under: with that it ends; empty: nothing of the kind
	Record   Recording
	Tell     func(text string) // as an ask's
}

// Terminal is what pty-req asks for (RFC 4254, section 6.2).
type Terminal struct {
	Term  string
	Size  WindowSize
	Modes map[uint8]uint32 // RFC 4254, section 8
}

// WindowSize is a terminal's size in characters and, where the client knows, in pixels.
type WindowSize struct{ Columns, Rows, Width, Height uint32 }

// Witness says who speaks.
type Witness interface {
	Caller(Evidence) Caller
}

// Judge decides by policy. It is pure: the same request gets the same decision as long as the policy is the same.
type Judge interface {
	Decide(Request) Decision
}

// Log keeps the record. A decision that cannot be written is not carried out.
type Log interface {
	Decision(session string, r Request, d Decision) error
}

// Forks finds and makes copy-on-write forks.
type Forks interface {
	// Find returns the target of an existing repository or fork, and false where there is none.
	Find(ctx context.Context, repo, tag string) (Target, bool, error)
	// FreshTag makes up a tag that no fork of repo has.
	FreshTag(ctx context.Context, repo string) (string, error)
	// Make makes the fork that child describes, for who asks, within limits, or returns the one that a racing caller has just made, without
	// steps.
	Make(ctx context.Context, who Caller, child Target, limits Limits) (Target, []Step, error)
}

// Step is one thing that was done, and how long it took.
type Step struct {
	Name string        `json:"name"`
	Took time.Duration `json:"ns"`
}

// Pods runs work inside the pod of a repository or fork, starting the pod where it does not run.
// S is a running command or shell, in the hands of whoever pumps its bytes.
type Pods[S any] interface {
	Run(ctx context.Context, session string, who Caller, where Target, what Work) (S, error)
}

// Gate brings callers to where policy lets them go. S is what a session is to the process that runs the gate.
type Gate[S any] struct {
	Witness Witness
	Judge   Judge
	Log     Log
	Forks   Forks
	Pods    Pods[S]
	Grants  Grants // nil: nothing can be approved
}

// Enter is the product in one function: it finds out who asks and where to, has policy decide, waits for an approval where policy
// says that there may be one, makes the fork that is asked for, and puts the caller's work into its pod. Refused, nothing has been made.
func (g *Gate[S]) Enter(ctx context.Context, ask Ask) (S, error) {
	var none S
	request := g.Request(ask)
	target, exists, err := g.Target(ctx, ask, request)
	if err != nil {
		return none, err
	}
	request.Target = target
	var limits Limits
	if !exists {
		if limits, err = g.forkable(ask, request); err != nil {
			return none, err
		}
	}
	var decision Decision
	opened := func() {}
	if exists {
		request, decision, opened, err = g.admit(ctx, ask, request)
	} else {
		decision, err = g.decide(ask, request)
	}
	if err != nil {
		return none, err
	}
	defer opened()
	if !exists {
		if request.Target, _, err = g.Forks.Make(ctx, request.Caller, target, limits); err != nil {
			return none, fmt.Errorf("cannot make %s: %w", target.Ref(), err)
		}
		// A racing caller may have made it first: then it is that caller's fork, and policy has not spoken of it yet.
		if request.Target.Owner != target.Owner {
			if decision, err = g.decide(ask, request); err != nil {
				return none, err
			}
		}
	}
	ask.Work.Grant, ask.Work.Record = request.Grant, decision.Record
	if ask.Op == OpShell || ask.Op == OpExec { // who hears what runs there may run things there
		ask.Work.Tell = ask.Tell
	}
	if ask.Work.Agent, err = g.bringsAgent(ask, request); err != nil {
		return none, err
	}
	return g.Pods.Run(ctx, ask.Session, request.Caller, request.Target, ask.Work)
}

// bringsAgent reports whether the caller's ssh-agent comes along, where it is to. Where policy refuses it the session comes about without.
func (g *Gate[S]) bringsAgent(ask Ask, r Request) (bool, error) {
	if !ask.Work.Agent {
		return false, nil
	}
	err := g.Permitted(ask, r.to(OpAgentForward))
	if refusal, refused := AsRefusal(err); refused {
		ask.Note(AgentRefused(refusal))
		return false, nil
	}
	return err == nil, err
}

// AgentRefused is what the caller is told whose ssh-agent stays outside.
func AgentRefused(why *Refusal) string { return "agent forwarding is refused: " + why.InLine() }

// Fork makes the fork that ask.Ref names, of from: a repository, or a fork that the caller may run commands in, for who
// copies a fork reads it.
func (g *Gate[S]) Fork(ctx context.Context, ask Ask, from Ref) (Target, []Step, error) {
	request := g.Request(ask)
	parent, err := g.Existing(ctx, Ask{Session: ask.Session, Ref: from}, request)
	if err != nil {
		return Target{}, nil, err
	}
	if parent.Fork {
		request.Target = parent
		if err := g.Permitted(Ask{Session: ask.Session, Ref: from}, request.to(OpExec)); err != nil {
			return Target{}, nil, err
		}
	}
	if ask.Ref, err = g.free(ctx, ask.Ref); err != nil {
		return Target{}, nil, err
	}
	request.Target = ForkOf(parent, ask.Ref.Tag, request.Caller.Principal)
	limits, err := g.forkable(ask, request)
	if err != nil {
		return Target{}, nil, err
	}
	made, steps, err := g.Forks.Make(ctx, request.Caller, request.Target, limits)
	if err == nil && made.Owner != request.Target.Owner {
		err = Taken(ask.Ref)
	}
	return made, steps, err
}

// Request is the question that an ask amounts to, before its target is known.
func (g *Gate[S]) Request(ask Ask) Request {
	return Request{
		Caller: g.Witness.Caller(ask.Evidence), Op: ask.Op,
		Source: ask.Evidence.Source, Door: ask.Evidence.Door, Command: string(ask.Work.Command), Forward: ask.Work.Forward,
	}
}

// Permitted has policy decide and the log written; it returns nil or the refusal. What the caller may not even be shown is
// refused in the words for what does not exist.
func (g *Gate[S]) Permitted(ask Ask, r Request) error {
	_, err := g.decide(ask, r)
	return err
}

func (g *Gate[S]) decide(ask Ask, r Request) (Decision, error) {
	decision := g.Judge.Decide(r)
	if err := g.Log.Decision(ask.Session, r, decision); err != nil {
		return Decision{}, fmt.Errorf("cannot write the audit log: %w", err)
	}
	if decision.Verdict == Permit {
		return decision, nil
	}
	if !g.Visible(r) {
		return Decision{}, NotFound(ask.Ref)
	}
	return decision, decision.Refusal()
}

// forkable asks for the fork that is the request's target, and returns within which limits it may be made.
func (g *Gate[S]) forkable(ask Ask, r Request) (Limits, error) {
	decision, err := g.decide(ask, r.to(OpFork))
	if err != nil {
		return Limits{}, err
	}
	if decision.Limits == nil {
		return Limits{}, fmt.Errorf("cannot make %s: the decision has no limits", r.Target.Ref())
	}
	return *decision.Limits, nil
}

// Visible reports whether the caller may know that the request's target exists; of a fork to be, whether the repository
// does.
func (g *Gate[S]) Visible(r Request) bool {
	if r.Target.GUID == "" {
		r.Target = Target{Repo: r.Target.Repo, Grand: true}
	}
	return g.Judge.Decide(r.to(OpList)).Verdict == Permit
}

func (r Request) to(op Op) Request {
	r.Op, r.Command = op, ""
	return r
}
