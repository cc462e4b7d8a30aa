package warden

import (
	"context"
	"errors"
	"sync"
	"time"

	"forkgate/fork"
	"forkgate/gate"
	"forkgate/gate/audit"
	"forkgate/gate/grants"
	"forkgate/gate/warden/client"
	"forkgate/nsjail/wire"
)

// expect notes what it takes to ask policy again about the session that this request may become.
func (r *request) expect(ask gate.Ask, q client.OpenRequest) {
	// Who it is, and where, is known once policy has permitted it.
	asked := gate.Request{Op: ask.Op, Source: ask.Evidence.Source, Door: ask.Evidence.Door, Command: string(ask.Work.Command), Forward: ask.Work.Forward}
	r.pods.sessions.expect(live{
		ID: r.session, Asked: asked, Who: visitorOf(r.identity), Marks: ask.Evidence.Env, Alone: q.Alone, Since: r.now().UTC(),
	}, r.connection)
}

// started records that the session of this request runs.
func (r *request) started() error {
	l, ok := r.pods.sessions.find(r.session)
	if !ok {
		return nil // it has ended already
	}
	return r.log.Started(r.session, l.Asked)
}

// reconsider ends the sessions that the policy in force would not permit if they were asked for now, and returns once nothing of them
// lives. Of a policy that has not loaded nobody can ask.
func (w *Warden) reconsider(ctx context.Context) {
	if w.rules.shut() != nil {
		return
	}
	var ends sync.WaitGroup
	defer ends.Wait()
	w.reconsiderGrants(ctx, &ends)
	for _, l := range w.pods.sessions.list() {
		if d, ok := w.stillPermitted(l); !ok {
			ends.Go(func() { w.revoke(ctx, l, d) })
		}
	}
	w.reconsiderAgents(ctx, anywhere)
}

// reconsiderGrants ends the grants that the policy in force would not let anybody give.
func (w *Warden) reconsiderGrants(ctx context.Context, ends *sync.WaitGroup) {
	if w.granter == nil {
		return
	}
	for _, grant := range w.granter.book.Grants() {
		d, ok := w.stillGranted(grant)
		if ok || grant.Ending != "" {
			continue
		}
		ends.Go(func() {
			if _, err := w.granter.revoke(ctx, grant.ID, "access revoked: "+d.Reason); err != nil {
				w.journal.Error("cannot end a grant, and will try again", "grant", grant.ID, "error", err)
			}
		})
	}
}

// stillGranted asks the policy in force about what a grant was asked for. Of one by an older warden nothing is known; its sessions are asked about.
func (w *Warden) stillGranted(grant grants.Grant) (gate.Decision, bool) {
	tree, ok := w.trees.Get(grant.GUID)
	role := roleOf(grant.Asked.Door)
	if !ok || grant.Evidence.Principal == "" || role == nobody {
		return gate.Decision{}, true
	}
	if _, known := w.rules.PrincipalByName(grant.Principal); !known {
		return gate.Decision{Reason: grant.Principal + " is no principal of the policy any more"}, false
	}
	asked := grant.Asked
	asked.Grant = grant.ID
	return w.asToday(asked, role, grant.Evidence, tree)
}

// asToday asks the policy in force what was asked before, of who asked as it sees them, and of the place as it is.
func (w *Warden) asToday(asked gate.Request, role role, e gate.Evidence, tree fork.Tree) (gate.Decision, bool) {
	asked.Caller = w.gates[role].Witness.Caller(e)
	asked.Target = forks{w.trees, w.pods.visits}.target(tree)
	d := w.gates[role].Judge.Decide(asked)
	return d, d.Verdict == gate.Permit
}

// stillPermitted asks the policy in force about a session, by all that is known of who opened it.
func (w *Warden) stillPermitted(l live) (gate.Decision, bool) {
	tree, ok := w.trees.Get(l.Asked.Target.GUID)
	if !ok {
		return gate.Decision{}, true // its fork is being removed, and it with that
	}
	who, err := l.Who.identity()
	role := roleOf(l.Asked.Door)
	if err != nil || role == nobody {
		return gate.Decision{Reason: "nothing is known of who opened it"}, false
	}
	// As if its connection asked again.
	r := &request{connection: &connection{Warden: w, gate: w.gates[role], role: role, identity: who}, session: l.ID, asOf: l.Since}
	evidence, err := r.evidence(l.Alone, nil, nil)
	if refusal, refused := gate.AsRefusal(err); refused {
		return gate.Decision{Reason: refusal.Reason, Hint: refusal.Hint}, false
	}
	if err != nil {
		return gate.Decision{Reason: "it cannot be found out who opened it"}, false
	}
	evidence.Env = l.Marks
	return w.asToday(l.Asked, role, evidence, tree)
}

// revoke ends a session that is not permitted any more. That it cannot be recorded keeps it from nothing.
func (w *Warden) revoke(ctx context.Context, l live, d gate.Decision) {
	if !w.pods.sessions.ends(l.ID, "access revoked: "+d.Reason) {
		return // somebody is at it
	}
	if err := w.log.Revoked(l.ID, l.Asked, d); err != nil {
		w.journal.Error("that access was revoked is not in the audit log", "session", l.ID, "error", err)
	}
	w.endSession(ctx, l, "access revoked: "+d.Reason)
}

// endSession tells a session's caller why, and returns once nothing of it lives, or it was not to be had; then looking tries again.
func (w *Warden) endSession(ctx context.Context, l live, why string) {
	w.audience.tellOne(l.ID, why)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), dyingSessions)
	defer cancel()
	if err := w.pods.kill(ctx, l.Asked.Target.GUID, l.ID); err != nil {
		w.journal.Error("cannot end a session, and will try again", "session", l.ID, "error", err)
	}
}

// keepSessions notices what ends without a word, and ends what could not be ended, until ctx ends.
func (w *Warden) keepSessions(ctx context.Context) {
	for pause(ctx, time.Second) {
		w.lookAfterSessions(ctx)
	}
}

func (w *Warden) lookAfterSessions(ctx context.Context) {
	w.pods.sessions.look(w.pods.lives)
	for _, l := range w.pods.sessions.list() {
		if l.End != "" {
			w.endSession(ctx, l, l.End)
		}
	}
}

// settleSessions takes in what the last warden has left, before anybody is let in: what runs and is nobody's ends.
func (w *Warden) settleSessions(ctx context.Context) error {
	all := w.pods.sessions
	all.over = w.sessionOver
	if err := all.restore(); err != nil {
		return err
	}
	all.look(w.pods.lives)
	running, err := w.pods.Running(ctx)
	if err != nil {
		return err
	}
	for _, guid := range running {
		living, err := w.pods.living(guid)
		if err != nil {
			return err
		}
		for _, id := range living {
			if _, known := all.find(id); known {
				continue
			}
			w.journal.Error("a session runs that nothing is known of, and is ended", "session", id, "guid", guid)
			l := live{ID: id}
			l.Asked.Target.GUID = guid
			w.endSession(ctx, l, "access revoked: nothing is known of who opened it")
		}
	}
	return nil
}

// sessionOver records that nothing of a session is left.
func (w *Warden) sessionOver(l live, exit *wire.Exit) {
	w.pods.recordings.over(l.ID)
	w.transfers.over(l)
	end := audit.End{Took: max(w.now().Sub(l.Since), 0), Why: l.End} // a clock may have been set back
	if exit != nil {
		end.Exited, end.Code, end.Signal = true, exit.Code, exit.Signal
	}
	if err := w.log.Ended(l.ID, l.Asked, end); err != nil {
		w.journal.Error("a session's end is not in the audit log", "session", l.ID, "error", err)
	}
}

// errRevoked says that another policy came into force while a session began.
var errRevoked = errors.New("the policy changed meanwhile")

// overtaken ends a session that began by a policy which is not in force any more, if the one that is would not have it.
func (w *Warden) overtaken(ctx context.Context, id string) error {
	l, ok := w.pods.sessions.find(id)
	if !ok {
		return nil
	}
	d, ok := w.stillPermitted(l)
	if ok {
		return nil
	}
	w.revoke(ctx, l, d)
	return errors.Join(d.Refusal(), errRevoked)
}
