package warden

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
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
	Command   string    `json:"command,omitempty"`
	From      time.Time `json:"from"`
	Until     time.Time `json:"until"`
	Uses      int       `json:"uses"`
	Sessions  []string  `json:"sessions"`           // that live
	Opened    int       `json:"opened"`             // sessions, so far
	Approver  string    `json:"approver,omitempty"` // of a grant
	Proof     string    `json:"proof,omitempty"`
	Ending    string    `json:"ending,omitempty"` // why it ends

	guid string
}

func viewWaiting(w grants.Waiting) grantView {
	return grantView{
		ID: w.ID, State: "waiting", Ref: w.Target.Ref(), Principal: w.Who.Principal, Kind: w.Who.Kind, Agent: w.Who.Agent, Op: w.Op,
		Command: w.Command, From: w.Since, Until: w.Until, Uses: max(w.Terms.Uses, 1), Sessions: []string{}, guid: w.Target.GUID,
	}
}

func viewGrant(g grants.Grant) grantView {
	v := grantView{
		ID: g.ID, State: "granted", Ref: g.Ref, Principal: g.Principal, Kind: g.Kind, Agent: g.Agent, Op: g.Op, Command: g.Command,
		From: g.From, Until: g.Until, Uses: g.Uses, Sessions: append([]string{}, g.Living()...), Opened: len(g.Sessions),
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

// findWaiting finds what waits, if the caller may approve it.
func (w *word) findWaiting(id string) (grants.Waiting, gate.Request, error) {
	if w.granter == nil {
		return grants.Waiting{}, w.asking, unknownGrant(id)
	}
	waiting, ok := w.granter.book.Waiting(id)
	if !ok {
		refusal := unknownGrant(id)
		return waiting, w.asking, errors.Join(refusal, w.log.Decision(w.session, w.asking, gate.Decision{Reason: refusal.Reason}))
	}
	asking, err := w.may(viewWaiting(waiting))
	return waiting, asking, err
}

// approve approves what a session waits for.
func approve(_ context.Context, w *word) (page, error) {
	waiting, asking, err := w.findWaiting(w.args[0])
	if err != nil {
		return page{}, err
	}
	signature := ""
	if len(w.args) > 1 {
		signature = w.args[1]
	}
	proof, err := w.granter.proof(asking.Caller, asking.Door, waiting, signature)
	if refusal, refused := gate.AsRefusal(err); refused {
		return page{}, errors.Join(err, w.log.Grant(w.session, asking, "not approved: "+refusal.Reason))
	}
	if err != nil {
		return page{}, err
	}
	if err := w.log.Grant(w.session, asking, "approved, "+proof); err != nil {
		return page{}, err
	}
	grant, err := w.granter.book.Approve(waiting.ID, asking.Caller.Principal, proof)
	if isUnknown(err) {
		err = unknownGrant(waiting.ID)
	}
	if err != nil {
		return page{}, err
	}
	v := viewGrant(grant)
	return page{data: v, text: func(out io.Writer) {
		fmt.Fprintf(out, "%s may enter %s, until %s, %s\n", callerOf(v), v.Ref, v.Until.Format(time.RFC3339), plural(v.Uses, "session"))
		fmt.Fprintf(out, "ssh gate@host revoke %s ends that before\n", v.ID)
	}}, nil
}

// printChallenge prints what there is to sign for who approves by a signature.
func printChallenge(_ context.Context, w *word) (page, error) {
	waiting, _, err := w.findWaiting(w.args[0])
	if err != nil {
		return page{}, err
	}
	text, err := w.granter.challenge(waiting).Text()
	if err != nil {
		return page{}, err
	}
	data := struct {
		ID        string `json:"id"`
		Challenge string `json:"challenge"`
	}{waiting.ID, string(text)}
	return page{data: data, text: func(out io.Writer) { _, _ = out.Write(text) }}, nil
}

// listGrants lists what waits and what is granted: of the caller, by the caller, and what the caller may approve or end.
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
	return page{data: seen, text: func(out io.Writer) {
		rows := [][]string{{"ID", "STATE", "REF", "WHO", "ASKED FOR", "UNTIL", "SESSIONS", "APPROVED BY"}}
		for _, v := range seen {
			rows = append(rows, []string{v.ID, v.State, v.Ref, callerOf(v), askedFor(v), v.Until.Format(time.RFC3339),
				strconv.Itoa(len(v.Sessions)) + " of " + strconv.Itoa(v.Uses), v.Approver})
		}
		columns(out, rows...)
	}}, nil
}

func (w *word) append(seen []grantView, v grantView) []grantView {
	who := w.asking.Caller.Principal
	own := who != "" && (v.Principal == who || v.Approver == who)
	if own || w.gate.Judge.Decide(w.about(v, gate.OpApprove)).Verdict == gate.Permit || w.gate.Judge.Decide(w.about(v, gate.OpRevoke)).Verdict == gate.Permit {
		return append(seen, v)
	}
	return seen
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

func askedFor(v grantView) string {
	if v.Command == "" {
		return string(v.Op)
	}
	const shown = 40
	if len(v.Command) > shown {
		return string(v.Op) + " " + v.Command[:shown] + "..."
	}
	return string(v.Op) + " " + v.Command
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}
