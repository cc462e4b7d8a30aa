package gate

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
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
	text := fmt.Sprintf("a session waits %s, a grant lasts %s and opens ", Span(a.Wait), Span(a.Lasts))
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

// MarshalJSON writes durations as Span does.
func (a Approval) MarshalJSON() ([]byte, error) {
	type plain Approval
	return json.Marshal(struct {
		plain
		Wait  string `json:"wait"`
		Lasts string `json:"lasts"`
	}{plain(a), Span(a.Wait), Span(a.Lasts)})
}

// Span shows a duration as people write them, and policy does: 15m, 1h30m, 20s.
func Span(d time.Duration) string {
	text := d.String()
	for _, nothing := range []string{"m0s", "h0m"} {
		if rest, ok := strings.CutSuffix(text, nothing); ok {
			text = rest + nothing[:1]
		}
	}
	return text
}

// Grants brings what may be approved before those who may approve it.
type Grants interface {
	// Ask finds a grant that the request may use, or has it wait for one. d forbids it, and has an Approval. A *Refusal says that nobody
	// granted it.
	Ask(ctx context.Context, ask Ask, r Request, d Decision) (Leave, error)
}

// Leave is a grant that one session may use.
type Leave struct {
	Grant  string // names it; never empty
	Opened func() // to be called when the session runs, or does not come about
	Void   func() // to be called in its place where policy refuses the session after all: nobody approved another
}

// admit has policy permit the request, if need be by way of somebody's approval. It returns the request as it was permitted, the decision,
// and what to call when its session runs.
func (g *Gate[S]) admit(ctx context.Context, ask Ask, r Request) (Request, Decision, func(), error) {
	decision, err := g.decide(ask, r)
	if err == nil || decision.Approval == nil || g.Grants == nil {
		return r, decision, func() {}, err
	}
	leave, err := g.Grants.Ask(ctx, ask, r, decision)
	if err != nil {
		return r, decision, func() {}, err
	}
	if ask.Tell != nil {
		ask.Tell("") // before anything runs: who hears nothing more knows by that that nothing did
	}
	// While it waited another policy may have come into force, by which somebody else speaks here, or nobody.
	r.Caller, r.Grant = g.Witness.Caller(ask.Evidence), leave.Grant
	if decision, err = g.decide(ask, r); err != nil {
		leave.Void()
		return r, decision, func() {}, err
	}
	return r, decision, leave.Opened, nil
}
