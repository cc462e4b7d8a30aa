package warden

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"forkgate/gate"
	"forkgate/gate/grants"
	"forkgate/nsjail/docker"
)

// grantView is a wish or a grant as the control words show it.
type grantView struct {
	ID        string    `json:"id"`
	State     string    `json:"state"` // waiting, granted, ending
	Ref       string    `json:"ref"`
	Principal string    `json:"principal"`
	Kind      gate.Kind `json:"kind"`
	Agent     string    `json:"agent,omitempty"`
	Op        gate.Op   `json:"op"`
	Command   string    `json:"command,omitempty"` // as gate.Exact shows it
	Env       []string  `json:"env,omitempty"`     // likewise
	From      time.Time `json:"from"`
	Until     time.Time `json:"until"`
	Lasts     string    `json:"lasts"`              // from the approval on
	Uses      int       `json:"uses"`               // how many sessions it opens, in all
	Opened    int       `json:"opened"`             // how many it has opened
	Sessions  []string  `json:"sessions"`           // those of them that live
	Approver  string    `json:"approver,omitempty"` // of a grant
	Proof     string    `json:"proof,omitempty"`
	Ending    string    `json:"ending,omitempty"` // why it ends
	Code      string    `json:"code,omitempty"`   // to approve it by, for persons who may

	guid string
}

func viewWaiting(w grants.Waiting) grantView {
	return grantView{
		ID: w.ID, State: "waiting", Ref: w.Target.Ref(), Principal: w.Who.Principal, Kind: w.Who.Kind, Agent: w.Who.Agent, Op: w.Op,
		Command: w.Command, Env: w.Env, From: w.Since, Until: w.Until, Lasts: gate.Span(w.Terms.Lasts), Uses: max(w.Terms.Uses, 1),
		Sessions: []string{}, guid: w.Target.GUID,
	}
}

func viewGrant(g grants.Grant) grantView {
	v := grantView{
		ID: g.ID, State: "granted", Ref: g.Ref, Principal: g.Principal, Kind: g.Kind, Agent: g.Agent, Op: g.Op, Command: g.Command, Env: g.Env,
		From: g.From, Until: g.Until, Lasts: gate.Span(g.Until.Sub(g.From)), Uses: g.Uses, Sessions: append([]string{}, g.Living()...), Opened: len(g.Sessions),
		Approver: g.Approver, Proof: g.Proof, Ending: g.Ending, guid: g.GUID,
	}
	if g.Ending != "" {
		v.State = "ending"
	}
	return v
}

// about is the question whether the caller may do something to a wish or a grant.
func (w *word) about(v grantView, op gate.Op) gate.Request {
	asking := w.asking
	asking.Op, asking.Asker, asking.Approver = op, v.Principal, v.Approver
	if tree, ok := w.trees.Get(v.guid); ok {
		asking.Target = forks{w.trees, w.pods.visits}.target(tree)
	}
	return asking
}

// may has policy say, and the log write, whether the caller may do what the word says. What he may not reads as what there is not.
func (w *word) may(v grantView) (gate.Request, error) {
	asking := w.about(v, w.Op)
	decision := w.gate.Judge.Decide(asking)
	asking.Grant = v.ID // for the record: who approves holds no grant
	if err := w.log.Decision(w.session, asking, decision); err != nil {
		return asking, fmt.Errorf("cannot write the audit log: %w", err)
	}
	if decision.Verdict != gate.Permit {
		return asking, unknownGrant(v.ID)
	}
	return asking, nil
}

// listGrants lists what waits and what is granted: of the caller, by the caller, and what the caller may approve or end. With a name it
// shows that one, whole.
func listGrants(_ context.Context, w *word) (page, error) {
	seen := []grantView{} // and not null in JSON
	if w.granter != nil {
		for _, waiting := range w.granter.book.AllWaiting() {
			seen = w.append(seen, viewWaiting(waiting))
		}
		for _, grant := range w.granter.book.Grants() {
			seen = w.append(seen, viewGrant(grant))
		}
	}
	if len(w.args) > 0 {
		i := slices.IndexFunc(seen, func(v grantView) bool { return v.ID == w.args[0] })
		if i < 0 {
			return page{}, unknownGrant(w.args[0])
		}
		return w.showGrant(seen[i])
	}
	return page{data: seen, text: func(out io.Writer) {
		rows := [][]string{{"ID", "STATE", "REF", "WHO", "ASKED FOR", "UNTIL", "OPENED", "LIVE", "APPROVED BY"}}
		for _, v := range seen {
			rows = append(rows, []string{v.ID, v.State, v.Ref, callerOf(v), brief(v), v.Until.Format(time.RFC3339),
				fmt.Sprintf("%d of %d", v.Opened, v.Uses), strconv.Itoa(len(v.Sessions)), v.Approver})
		}
		columns(out, rows...)
		if len(seen) > 0 {
			fmt.Fprintf(out, "\n%s grants ID shows one of them whole\n", w.typed(gate.ControlUser))
		}
	}}, nil
}

// showGrant shows a wish or a grant whole, and to a person who may approve it what to type then.
func (w *word) showGrant(v grantView) (page, error) {
	waiting, waits := w.granter.book.Waiting(v.ID)
	if waits && w.asking.Caller.Kind == gate.Human && w.gate.Judge.Decide(w.about(v, gate.OpApprove)).Verdict == gate.Permit {
		code, err := w.granter.code(waiting)
		if err != nil {
			return page{}, err
		}
		v.Code = code
	}
	return page{data: v, text: func(out io.Writer) {
		who := callerOf(v)
		if v.Agent != "" {
			who += " (" + v.Agent + ")"
		}
		rows := [][]string{{"id", v.ID}, {"state", v.State}, {"until", v.Until.Format(time.RFC3339)}, {"who", who}, {"where", v.Ref}, {"runs", runs(v)}}
		for _, variable := range v.Env {
			rows = append(rows, []string{"with", variable})
		}
		rows = append(rows, []string{"opens", opens(v)}, []string{"lasts", v.Lasts + " from the approval on"})
		if v.Approver != "" {
			rows = append(rows, []string{"approved", "by " + v.Approver + ": " + v.Proof})
		}
		columns(out, rows...)
		if v.Code != "" {
			fmt.Fprintf(out, "\n%s approve %s %s approves that\n%s revoke %[2]s turns it down\n", w.typed(gate.TouchUser), v.ID, v.Code, w.typed(gate.ControlUser))
		}
	}}, nil
}

func (w *word) append(seen []grantView, v grantView) []grantView {
	if w.sees(v) {
		return append(seen, v)
	}
	return seen
}

// sees reports whether a wish or a grant is the caller's own, or the caller's to approve or to end.
func (w *word) sees(v grantView) bool {
	who := w.asking.Caller.Principal
	own := who != "" && (v.Principal == who || v.Approver == who)
	return own || w.gate.Judge.Decide(w.about(v, gate.OpApprove)).Verdict == gate.Permit || w.gate.Judge.Decide(w.about(v, gate.OpRevoke)).Verdict == gate.Permit
}

// revoke takes a grant back: when it returns, nothing lives any more of its sessions. What waits is turned down.
func revoke(ctx context.Context, w *word) (page, error) {
	id := w.args[0]
	if w.granter == nil {
		return page{}, unknownGrant(id)
	}
	if waiting, ok := w.granter.book.Waiting(id); ok {
		if _, err := w.may(viewWaiting(waiting)); err != nil {
			return page{}, err
		}
		if err := w.granter.book.Deny(id); err != nil {
			return page{}, unknownGrant(id)
		}
		return revoked(id, "turned down", docker.Inventory{}), nil
	}
	grant, ok := w.granter.book.Grant(id)
	if !ok {
		refusal := unknownGrant(id)
		return page{}, errors.Join(refusal, w.log.Decision(w.session, w.asking, gate.Decision{Reason: refusal.Reason}))
	}
	if _, err := w.may(viewGrant(grant)); err != nil {
		return page{}, err
	}
	made, err := w.granter.revoke(ctx, id, w.asking.Caller.Principal+" took it back")
	if err != nil {
		return page{}, err
	}
	return revoked(id, "ended", made), nil
}

func revoked(id, what string, made docker.Inventory) page {
	data := struct {
		ID    string           `json:"id"`
		State string           `json:"state"`
		Made  docker.Inventory `json:"made"`
	}{id, what, made}
	return page{data: data, text: func(out io.Writer) {
		fmt.Fprintf(out, "%s is %s\n", id, what)
		for _, kind := range []struct {
			name string
			all  []docker.Thing
		}{{"containers", made.Containers}, {"images", made.Images}, {"volumes", made.Volumes}} {
			if len(kind.all) > 0 {
				fmt.Fprintf(out, "%s made meanwhile: %s\n", kind.name, things(kind.all))
			}
		}
	}}
}

func callerOf(v grantView) string { return v.Kind.String() + " " + v.Principal }

// runs is what a session runs, whole.
func runs(v grantView) string { return strings.TrimSpace(string(v.Op) + " " + v.Command) }

// brief is as much of that as a line of a list has room for.
func brief(v grantView) string {
	const shown = 40
	if len(v.Command) > shown || len(v.Env) > 0 {
		return fmt.Sprintf("%s %s...", v.Op, v.Command[:min(len(v.Command), shown)])
	}
	return runs(v)
}

// work is what a session runs with the variables that its client sent, on one line. They come first: a command could end like a list of them.
func work(v grantView) string {
	if len(v.Env) == 0 {
		return runs(v)
	}
	return "with " + strings.Join(v.Env, ", ") + ": " + runs(v)
}

func opens(v grantView) string {
	switch {
	case v.Uses == 1:
		return "1 session"
	case v.Op == gate.OpShell:
		return gate.Count(v.Uses, "session") + ", whatever they run"
	}
	return gate.Count(v.Uses, "session") + " that run this"
}
