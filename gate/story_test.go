package gate

import (
	"context"
	"errors"
	"testing"
)

// world is everything that the story consumes, in memory.
type world struct {
	targets map[string]Target
	permits func(Request) bool
	racer   string // makes each fork a moment before the caller does
	broken  error  // of the log
	logged  []Decision
	made    int
	ran     []Target
	limits  *Limits // of decisions on op fork
	within  Limits  // what the last fork was made with
}

func (w *world) Caller(e Evidence) Caller { return Caller{Principal: e.Principal} }

func (w *world) Decide(r Request) Decision {
	if w.permits(r) {
		d := Decision{Verdict: Permit}
		if r.Op == OpFork {
			d.Limits = w.limits
		}
		return d
	}
	return Decision{Reason: "no " + string(r.Op) + " on " + r.Target.Ref()}
}

func (w *world) Decision(_ string, _ Request, d Decision) error {
	w.logged = append(w.logged, d)
	return w.broken
}

func (w *world) Find(_ context.Context, repo, tag string) (Target, bool, error) {
	t, ok := w.targets[Ref{Repo: repo, Tag: tag}.String()]
	return t, ok, nil
}

func (w *world) FreshTag(context.Context, string) (string, error) { return "agent-7f3k", nil }

func (w *world) Make(_ context.Context, _ Caller, child Target, limits Limits) (Target, []Step, error) {
	w.made++
	w.within = limits
	child.GUID = "new"
	if w.racer != "" {
		child.Owner = w.racer
	}
	w.targets[child.Ref()] = child
	return child, nil, nil
}

func (w *world) Run(_ context.Context, _ string, _ Caller, where Target, _ Work) (string, error) {
	w.ran = append(w.ran, where)
	return "session", nil
}

// enter has alice ask for a shell at ref, in a world with the repository demo and bob's fork of it.
func (w *world) enter(ref string) (string, error) {
	w.targets = map[string]Target{
		"demo":     {GUID: "1", Repo: "demo", Grand: true},
		"demo:bob": {GUID: "2", Repo: "demo", Tag: "bob", Fork: true, Owner: "bob"},
	}
	parsed, err := ParseRef(ref)
	if err != nil {
		return "", err
	}
	g := Gate[string]{Witness: w, Judge: w, Log: w, Forks: w, Pods: w}
	return g.Enter(context.Background(), Ask{Evidence: Evidence{Principal: "alice"}, Ref: parsed, Op: OpShell})
}

func ownForks(r Request) bool {
	return r.Op == OpList || r.Target.Fork && r.Target.Owner == r.Caller.Principal
}

func TestEnter(t *testing.T) {
	for _, row := range []struct {
		what, ref string
		permits   func(Request) bool
		racer     string
		made      int
		refused   string // empty: the caller gets in
	}{
		{"an agent makes its fork and enters", "demo+x", ownForks, "", 1, ""},
		{"a fresh fork gets a made-up tag", "demo+", ownForks, "", 1, ""},
		{"production is shut", "demo", ownForks, "", 0, "no shell on demo"},
		{"another's fork is shut", "demo+bob", ownForks, "", 0, "no shell on demo:bob"},
		{"forking is not permitted", "demo+x", func(r Request) bool { return r.Op != OpFork }, "", 0, "no fork on demo:x"},
		{"nothing is made that nobody may enter", "demo+x", func(r Request) bool { return r.Op != OpShell }, "", 0, "no shell on demo:x"},
		{"a racer's fork is the racer's", "demo+x", ownForks, "mallory", 1, "no shell on demo:x"},
		{"what is not there", "nothing", ownForks, "", 0, "nothing does not exist, or is not yours to see"},
		{"what is hidden", "demo", func(Request) bool { return false }, "", 0, "demo does not exist, or is not yours to see"},
		{"a fork of what is hidden", "demo+x", func(r Request) bool { return r.Target.Fork && r.Op == OpList }, "", 0,
			"demo:x does not exist, or is not yours to see"},
	} {
		t.Run(row.what, func(t *testing.T) {
			w := &world{permits: row.permits, racer: row.racer, limits: &Limits{Quota: 5}}
			session, err := w.enter(row.ref)
			refusal, refused := AsRefusal(err)
			switch {
			case row.refused == "" && (err != nil || session != "session" || len(w.ran) != 1):
				t.Errorf("did not get in: %q, %v", session, err)
			case row.refused != "" && (!refused || refusal.Reason != row.refused || len(w.ran) != 0):
				t.Errorf("got %q, %v, not the refusal %q", session, err, row.refused)
			}
			if row.made > 0 && w.within.Quota != 5 {
				t.Errorf("the fork was made within %v", w.within)
			}
			if w.made != row.made {
				t.Errorf("%d forks were made, not %d", w.made, row.made)
			}
			if len(w.logged) == 0 {
				t.Error("nothing was logged")
			}
		})
	}
}

// A judge that forgets them must not make forks without bounds.
func TestNoForkIsMadeWithoutLimits(t *testing.T) {
	w := &world{permits: ownForks}
	_, err := w.enter("demo+x")
	if _, refused := AsRefusal(err); err == nil || refused || w.made != 0 || len(w.ran) != 0 {
		t.Errorf("%v, %d forks, %d sessions", err, w.made, len(w.ran))
	}
}

func TestWhatCannotBeLoggedIsNotDone(t *testing.T) {
	w := &world{permits: ownForks, broken: errors.New("disk full")}
	if _, err := w.enter("demo+x"); err == nil || w.made != 0 || len(w.ran) != 0 {
		t.Errorf("%v, %d forks, %d sessions", err, w.made, len(w.ran))
	}
}
