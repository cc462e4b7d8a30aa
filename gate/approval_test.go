package gate

import (
	"context"
	"errors"
	"fmt"
	"testing"
)

// approving is a world in which nothing but a grant opens demo.
type approving struct {
	*world
	terms  *Approval
	leave  Leave
	err    error
	asked  int
	opened int
	voided int
	during func()
	told   []string // with how many sessions had run by then
}

func (a *approving) Decide(r Request) Decision {
	if r.Grant == "g1" {
		return Decision{Verdict: Permit}
	}
	d := a.world.Decide(r)
	if d.Verdict == Forbid {
		d.Approval = a.terms
	}
	return d
}

func (a *approving) Ask(context.Context, Ask, Request, Decision) (Leave, error) {
	a.asked++
	if a.during != nil {
		a.during()
	}
	return Leave{Grant: a.leave.Grant, Opened: func() { a.opened++ }, Void: func() { a.voided++ }}, a.err
}

func (a *approving) enter() error {
	a.world.targets = map[string]Target{"demo": {GUID: "1", Repo: "demo", Grand: true}}
	g := Gate[string]{Witness: a.world, Judge: a, Log: a.world, Forks: a.world, Pods: a.world, Grants: a}
	tell := func(text string) { a.told = append(a.told, fmt.Sprintf("%q after %d", text, len(a.ran))) }
	_, err := g.Enter(context.Background(), Ask{Evidence: Evidence{Principal: "alice"}, Ref: Ref{Repo: "demo"}, Op: OpShell, Tell: tell})
	return err
}

func listing(r Request) bool { return r.Op == OpList }

func TestAGrantOpensWhatMayBeApproved(t *testing.T) {
	a := &approving{world: &world{permits: listing}, terms: &Approval{Uses: 1}, leave: Leave{Grant: "g1"}}
	if err := a.enter(); err != nil {
		t.Fatal(err)
	}
	if len(a.told) != 1 || a.told[0] != `"" after 0` {
		t.Errorf("that it waits no more is told as %q", a.told)
	}
	if a.asked != 1 || a.opened != 1 || len(a.ran) != 1 {
		t.Errorf("asked %d times, opened %d, ran %v", a.asked, a.opened, a.ran)
	}
}

func TestNothingIsAskedForThatMayNotBeApproved(t *testing.T) {
	for name, a := range map[string]*approving{
		"no rule":      {world: &world{permits: listing}, leave: Leave{Grant: "g1"}},
		"hidden":       {world: &world{permits: func(Request) bool { return false }}, terms: &Approval{}, leave: Leave{Grant: "g1"}},
		"not recorded": {world: &world{permits: listing, broken: errors.New("disk full")}, terms: &Approval{}, leave: Leave{Grant: "g1"}},
	} {
		if err := a.enter(); err == nil || a.asked != 0 || len(a.ran) != 0 {
			t.Errorf("%s: %v, asked %d times, ran %v", name, err, a.asked, a.ran)
		}
	}
}

func TestARefusedApprovalOpensNothing(t *testing.T) {
	a := &approving{world: &world{permits: listing}, terms: &Approval{}, leave: Leave{Grant: "g1"}, err: &Refusal{Reason: "nobody"}}
	if err := a.enter(); err == nil || len(a.ran) != 0 || len(a.told) != 0 {
		t.Errorf("%v, ran %v, told %q", err, a.ran, a.told)
	}
}

// Policy is asked again after the wait: a grant that it does not know, or does not heed any more, opens nothing.
func TestAGrantIsJudgedWhenItIsUsed(t *testing.T) {
	a := &approving{world: &world{permits: listing}, terms: &Approval{}, leave: Leave{Grant: "another"}}
	if err := a.enter(); err == nil || len(a.ran) != 0 || a.opened != 0 || a.voided != 1 {
		t.Errorf("%v, ran %v, opened %d, voided %d", err, a.ran, a.opened, a.voided)
	}
	broken := &approving{world: &world{permits: listing}, terms: &Approval{}, leave: Leave{Grant: "g1"}}
	broken.during = func() { broken.world.broken = errors.New("disk full") }
	if err := broken.enter(); err == nil || len(broken.ran) != 0 || broken.voided != 1 {
		t.Errorf("without a record: %v, ran %v, voided %d", err, broken.ran, broken.voided)
	}
}
