package warden

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"forkgate/gate"
	"forkgate/gate/grants"
	"forkgate/gate/provenance"
	"forkgate/gate/provenance/presence"
	"forkgate/nsjail/docker"
)

// containers is what the granter asks of a pod's Docker daemon. docker.Daemon is one.
type containers interface {
	List(context.Context) (docker.Inventory, error)
	Stop(ctx context.Context, id string) error
}

// granter makes the book of grants gate.Grants, and ends what was granted: see keep.
type granter struct {
	book     *grants.Book
	log      Record
	trees    Trees
	audience *audience
	journal  *slog.Logger
	now      func() time.Time

	start      func(ctx context.Context, guid string) error // of a pod, if it does not run
	running    func(context.Context) ([]string, error)      // GUIDs of pods
	containers func(guid string) containers
	lives      func(guid, session string) (bool, error)
	end        func(ctx context.Context, guid, session string) error // of a session; returns when nothing of it lives
	why        func(session, why string) bool                        // notes why a session is about to be ended

	host string       // which gate this is, to who signs
	keys enrolledKeys // nil: no key is enrolled

	mu     sync.Mutex
	ending map[string]bool // grants that somebody is ending right now
}

// newGranter puts the parts together that are the host's.
func newGranter(book *grants.Book, w *Warden) *granter {
	return &granter{
		book: book, log: w.log, trees: w.trees, audience: &w.audience, journal: w.journal, now: w.now, keys: w.enrolled,
		start: w.pods.wake, running: w.pods.Running, ending: map[string]bool{},
		containers: func(guid string) containers { return docker.Of(w.pods.runDir, guid) },
		lives:      w.pods.lives, end: w.pods.kill, why: w.pods.sessions.ends, host: w.host,
	}
}

// Ask is gate.Grants: it finds a grant that is there already, or has the session wait for one, telling its caller so.
func (g *granter) Ask(ctx context.Context, ask gate.Ask, r gate.Request, d gate.Decision) (gate.Leave, error) {
	w := wish(ask, r, *d.Approval)
	grant, found, err := g.book.Take(w)
	if err == nil && !found {
		grant, err = g.await(ctx, ask, r, w, d)
	}
	if err != nil {
		return gate.Leave{}, err
	}
	opened := func() { g.book.Opened(ask.Session) }
	if err := g.begin(ctx, ask.Session, r, grant); err != nil {
		opened()
		return gate.Leave{}, err
	}
	return gate.Leave{Grant: grant.ID, Opened: opened, Void: func() { opened(); g.void(grant) }}, nil
}

// wish is what a session waits for: all that decides what it does, so that who approves knows.
func wish(ask gate.Ask, r gate.Request, terms gate.Approval) grants.Wish {
	w := grants.Wish{
		Session: ask.Session, Target: r.Target, Who: r.Caller, Lineage: provenance.Lineage(ask.Evidence, r.Caller), Op: r.Op, Terms: terms,
		Asked: r, Evidence: ask.Evidence,
	}
	if r.Op == gate.OpExec { // sftp runs what the warden says
		w.Command = gate.Exact(r.Command)
	}
	for _, variable := range ask.Work.Env {
		w.Env = append(w.Env, gate.Exact(variable))
	}
	if ask.Work.Terminal != nil { // which is a variable as well, of any bytes
		w.Env = append(w.Env, gate.Exact("TERM="+ask.Work.Terminal.Term))
	}
	slices.Sort(w.Env)
	return w
}

// void ends a grant whose first session policy has refused: it was approved for that one, and another would find it open.
func (g *granter) void(grant grants.Grant) {
	if len(grant.Sessions) > 1 {
		return
	}
	if err := g.book.End(grant.ID, "policy refused the session that it was approved for"); err != nil {
		g.journal.Error("a grant whose session was refused goes on", "grant", grant.ID, "error", err)
	}
}

// await has a wish wait. Every way in which that ends is recorded.
func (g *granter) await(ctx context.Context, ask gate.Ask, r gate.Request, w grants.Wish, d gate.Decision) (grants.Grant, error) {
	if long := workLength(w); long > presence.MaxWork {
		return grants.Grant{}, &gate.Refusal{
			Reason: fmt.Sprintf("%s needs a person's approval, who has to read the command: %d bytes are too many, at most %d", r.Target.Ref(), long, presence.MaxWork),
			Hint:   forkHint(r.Target),
		}
	}
	waiting, err := g.book.Wait(w)
	if errors.Is(err, grants.ErrTooMany) {
		return grants.Grant{}, &gate.Refusal{Reason: err.Error(), Hint: "wait for the answer to one of them"}
	}
	if err != nil {
		return grants.Grant{}, err
	}
	r.Grant = waiting.ID
	if err := g.log.Grant(ask.Session, r, "waits for approval, "+terms(w.Terms)); err != nil {
		g.book.Withdraw(waiting)
		return grants.Grant{}, err
	}
	if ask.Tell != nil {
		ask.Tell(waitText(waiting, d))
	}
	grant, err := g.book.Await(ctx, waiting)
	if err == nil {
		return grant, nil
	}
	what, refusal := outcome(ctx, waiting, err)
	return grants.Grant{}, errors.Join(refusal, g.log.Grant(ask.Session, r, what))
}

// waitText tells a session's caller that it waits, and first why: a person whom something keeps from being known as one can mend that. How
// one approves is told to who may.
func waitText(w *grants.Waiting, d gate.Decision) string {
	text, _ := gate.Explain(d.Refusal(), "")
	return text + fmt.Sprintf("forkgate: %s needs a person's approval; request %s waits %s for it\nhint: tell %[2]s to a person who may approve it\n",
		w.Target.Ref(), w.ID, gate.Span(w.Terms.Wait))
}

// workLength is how much who approves has to read of what a session runs.
func workLength(w grants.Wish) int { return len(w.Command) + len(strings.Join(w.Env, "")) }

// outcome says why a wish came to nothing: for the record, and for the caller.
func outcome(ctx context.Context, w *grants.Waiting, err error) (what string, refusal error) {
	switch {
	case errors.Is(err, grants.ErrNobody):
		return "nobody approved it in " + gate.Span(w.Terms.Wait),
			&gate.Refusal{Reason: fmt.Sprintf("nobody approved request %s within %s", w.ID, gate.Span(w.Terms.Wait)), Hint: forkHint(w.Target)}
	case errors.Is(err, grants.ErrDenied):
		return "it was turned down", &gate.Refusal{Reason: fmt.Sprintf("request %s was turned down", w.ID), Hint: forkHint(w.Target)}
	case ctx.Err() != nil:
		return "its client has gone", err
	}
	return "the gate failed", err
}

// forkHint says where one can work without asking.
func forkHint(t gate.Target) string { return "a fork needs no approval: ssh " + t.Repo + "+NAME@host" }

func terms(t gate.Approval) string { return fmt.Sprintf("by rule %q: %s", t.Rule, t) }

// begin records that a session uses a grant and, with the first one, what there was before.
func (g *granter) begin(ctx context.Context, session string, r gate.Request, grant grants.Grant) error {
	r.Grant = grant.ID
	what := fmt.Sprintf("opens session %d of %d, approved by %s (%s), until %s",
		len(grant.Sessions), grant.Uses, grant.Approver, grant.Proof, grant.Until.Format(time.RFC3339))
	if err := g.log.Grant(session, r, what); err != nil {
		return err
	}
	if len(grant.Sessions) > 1 {
		return nil
	}
	if err := g.start(ctx, grant.GUID); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, docker.Patience)
	defer cancel()
	before, err := g.containers(grant.GUID).List(ctx)
	if err != nil {
		// A pod whose Docker daemon does not work is no reason to keep somebody out who may have come to mend it.
		g.journal.Warn("what was there before a grant is not known", "grant", grant.ID, "error", err)
		return nil
	}
	text, err := json.Marshal(before)
	if err != nil {
		return err
	}
	return g.book.Note(grant.ID, text)
}
