package gate

import (
	"context"
	"fmt"
	"time"
)

// Approval is on which terms a person may approve a request that policy forbids. There is none unless a rule says so.
type Approval struct {
	Rule  string        `json:"rule"`            // the approve rule; of several the first by name
	Wait  time.Duration `json:"wait"`            // how long a session waits for it
	Lasts time.Duration `json:"lasts"`           // and how long the grant lasts that comes of it
	Uses  int           `json:"uses"`            // how many sessions the grant opens
	Stop  bool          `json:"stop_containers"` // whether containers that are started under it are stopped when it ends
}

// String shows the terms to a person.
func (a Approval) String() string {
	text := fmt.Sprintf("a session waits %s, a grant lasts %s and opens ", a.Wait, a.Lasts)
	if a.Uses == 1 {
		text += "1 session"
	} else {
		text += fmt.Sprintf("%d sessions", a.Uses)
	}
	if a.Stop {
		text += ", its containers are stopped"
	}
	return text
}

// Grants brings what may be approved before those who may approve it.
type Grants interface {
	// Ask finds a grant that the request may use, or has it wait for one. A *Refusal says that nobody granted it.
	Ask(ctx context.Context, ask Ask, r Request, terms Approval) (Leave, error)
}

// Leave is a grant that one session may use.
type Leave struct {
	Grant  string // names it; never empty
	Opened func() // to be called when the session runs, or does not come about
	Void   func() // to be called in its place where policy refuses the session after all: nobody approved another
}

// admit has policy permit the request, if need be by way of somebody's approval. It returns the request as it was permitted, and what
// to call when its session runs.
func (g *Gate[S]) admit(ctx context.Context, ask Ask, r Request) (Request, func(), error) {
	decision, err := g.decide(ask, r)
	if err == nil || decision.Approval == nil || g.Grants == nil {
		return r, func() {}, err
	}
	leave, err := g.Grants.Ask(ctx, ask, r, *decision.Approval)
	if err != nil {
		return r, func() {}, err
	}
	// While it waited another policy may have come into force, by which somebody else speaks here, or nobody.
	r.Caller, r.Grant = g.Witness.Caller(ask.Evidence), leave.Grant
	if err := g.Permitted(ask, r); err != nil {
		leave.Void()
		return r, func() {}, err
	}
	return r, leave.Opened, nil
}
