package warden

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"forkgate/gate"
)

// sessionView is a session that runs, as the control words show it.
type sessionView struct {
	ID        string    `json:"id"`
	Ref       string    `json:"ref"`
	Principal string    `json:"principal"`
	Kind      gate.Kind `json:"kind"`
	Agent     string    `json:"agent,omitempty"`
	Op        gate.Op   `json:"op"`
	Command   string    `json:"command,omitempty"` // as gate.Exact shows it
	Source    string    `json:"source,omitempty"`
	Since     time.Time `json:"since"`
	Grant     string    `json:"grant,omitempty"`
	Ending    string    `json:"ending,omitempty"` // why it is being ended
}

func viewSession(l live, hide gate.Redactions) sessionView {
	v := sessionView{
		ID: l.ID, Ref: l.Asked.Target.Ref(), Principal: l.Asked.Caller.Principal, Kind: l.Asked.Caller.Kind, Agent: l.Asked.Caller.Agent,
		Op: l.Asked.Op, Since: l.Since, Grant: l.Asked.Grant, Ending: l.End,
	}
	if l.Asked.Op == gate.OpExec { // sftp runs what the warden says
		v.Command = gate.Exact(hide.Apply(l.Asked.Command))
	}
	if to := forwarded(l.Asked); to != "" {
		v.Command = gate.Exact(hide.Apply(to))
	}
	if l.Asked.Source.IsValid() {
		v.Source = l.Asked.Source.String()
	}
	return v
}

// listSessions lists the sessions that run: the caller's own, and what he may end.
func listSessions(ctx context.Context, w *word) (page, error) {
	var in gate.Target
	if len(w.args) > 0 {
		ref, err := gate.ParseRef(w.args[0])
		if err != nil {
			return page{}, err
		}
		ask, asking := w.ask, w.asking
		ask.Ref = ref
		if in, err = w.gate.Existing(ctx, ask, asking); err != nil {
			return page{}, err
		}
	}
	seen := []sessionView{} // and not null in JSON
	for _, l := range w.pods.sessions.list() {
		if (in.GUID == "" || in.GUID == l.Asked.Target.GUID) && w.seesSession(l) {
			seen = append(seen, viewSession(l, w.rules.Redactions()))
		}
	}
	return page{data: seen, text: func(out io.Writer) {
		rows := [][]string{{"ID", "REF", "WHO", "RUNS", "SINCE", "FROM"}}
		for _, v := range seen {
			runs := brief(grantView{Op: v.Op, Command: v.Command})
			rows = append(rows, []string{v.ID, v.Ref, v.Kind.String() + " " + v.Principal, runs, v.Since.Format(time.RFC3339), v.Source})
		}
		columns(out, rows...)
		if len(seen) > 0 {
			fmt.Fprintf(out, "\n%s kill ID ends one of them\n", w.typed(gate.ControlUser))
		}
	}}, nil
}

// aboutSession is the question whether the caller may do something to a session.
func (w *word) aboutSession(l live, op gate.Op) gate.Request {
	asking := w.asking
	asking.Op, asking.Asker, asking.Target = op, l.Asked.Caller.Principal, l.Asked.Target
	if tree, ok := w.trees.Get(l.Asked.Target.GUID); ok {
		asking.Target = forks{w.trees, w.pods.visits}.target(tree)
	}
	return asking
}

// seesSession reports whether a session is the caller's own, or the caller's to end.
func (w *word) seesSession(l live) bool {
	own := l.Asked.Caller.Principal == w.asking.Caller.Principal && w.asking.Caller.Principal != ""
	return own || w.gate.Judge.Decide(w.aboutSession(l, gate.OpKill)).Verdict == gate.Permit
}

// killOne ends a session: when it returns, nothing lives any more of what ran in it. What the caller may not end reads as what there is not.
func killOne(ctx context.Context, w *word) (page, error) {
	id := w.args[0]
	unknown := &gate.Refusal{Reason: fmt.Sprintf("no session %.40q runs that is yours to end", id), Hint: "ssh gate@host sessions"}
	l, ok := w.pods.sessions.find(id)
	if !ok {
		return page{}, errors.Join(unknown, w.log.Decision(w.session, w.asking, gate.Decision{Reason: unknown.Reason}))
	}
	asking := w.aboutSession(l, w.Op)
	decision := w.gate.Judge.Decide(asking)
	if err := w.log.Decision(w.session, asking, decision); err != nil {
		return page{}, fmt.Errorf("cannot write the audit log: %w", err)
	}
	if decision.Verdict != gate.Permit {
		return page{}, unknown
	}
	why := w.asking.Caller.Principal + " ended it"
	if w.pods.sessions.ends(id, why) {
		w.endSession(ctx, l, why)
	}
	if lives, err := w.pods.lives(l.Asked.Target.GUID, id); lives || err != nil {
		return page{}, errors.Join(fmt.Errorf("session %s does not die", id), err)
	}
	data := struct {
		ID string `json:"id"`
	}{id}
	return page{data: data, text: func(out io.Writer) { fmt.Fprintf(out, "%s has ended\n", id) }}, nil
}
