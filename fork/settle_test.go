package fork

import (
	"errors"
	"testing"
)

// A fork is settled from the beginning where nothing has to be taken out of it, and where nobody says so it is not.
func TestForksAreSettled(t *testing.T) {
	s := newStore(t, Options{Settled: func(parent Tree) bool { return parent.Repo == "plain" }})
	for repo, want := range map[string]bool{"plain": true, "shop": false} {
		parent := createRepo(t, s, repo, Source{})
		child := makeFork(t, s, parent, "x")
		if child.Settled != want {
			t.Errorf("a fork of %s: settled %t", repo, child.Settled)
		}
		if _, err := s.Settle(parent.GUID, ""); !errors.Is(err, ErrGrand) {
			t.Errorf("production is settled: %v", err)
		}
		for _, why := range []string{"no JSON", ""} {
			if _, err := s.Settle(child.GUID, why); err != nil {
				t.Fatal(err)
			}
			if got, _ := s.Get(child.GUID); got.Settled != (why == "") || got.Unsettled != why {
				t.Errorf("after %q: %+v", why, got)
			}
		}
	}
	if _, err := s.Settle("no such", ""); !errors.Is(err, ErrNotFound) {
		t.Errorf("of nothing: %v", err)
	}
	if o := newStore(t, Options{}).opts; o.Settled(Tree{Repo: "plain"}) {
		t.Error("where nobody says so, a fork is settled")
	}
}
