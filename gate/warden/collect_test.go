package warden

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"forkgate/fork"
	"forkgate/gate/warden/client"
)

// expiring has a fork of alice's that is kept for an hour, and what collects.
func expiring(t *testing.T, renew bool) (*host, collector, fork.Tree) {
	t.Helper()
	h := newHost(t)
	h.start(t)
	demo, _ := h.trees.Find("demo", "")
	made := h.trees.add(fork.Tree{
		Repo: "demo", Tag: "hers", Owner: "alice", Parent: demo.GUID, Limits: fork.Limits{TTL: 3600, Renew: renew}, Expires: time.Now().Add(time.Hour).UTC(),
	})
	h.trees.add(fork.Tree{Repo: "demo", Tag: "kept", Owner: "alice", Parent: demo.GUID})
	return h, newCollector(h.Warden), made
}

func (h *host) there(ref string) bool {
	repo, tag, _ := strings.Cut(ref, ":")
	_, ok := h.trees.Find(repo, tag)
	return ok
}

// A fork goes when its time is over, and is in the record; nothing else goes, however late it is.
func TestAForkGoesByItself(t *testing.T) {
	h, c, made := expiring(t, false)
	c.look(t.Context(), made.Expires.Add(-time.Second))
	if !h.there("demo:hers") {
		t.Fatal("it goes before its time")
	}
	c.look(t.Context(), made.Expires)
	if h.there("demo:hers") {
		t.Error("it stays")
	}
	if !h.log.has(fmt.Sprintf("service removing the fork demo:hers (%s) of alice: its time was over at %s", made.GUID, made.Expires.Format(time.RFC3339))) {
		t.Errorf("%q", h.log.all())
	}
	c.look(t.Context(), made.Expires.Add(100*365*24*time.Hour))
	if !h.there("demo:kept") || !h.there("demo") || !h.there("secret") {
		t.Error("something goes that does not expire")
	}
}

// One that cannot be removed is tried again after a while: each attempt is a line of the record.
func TestAForkThatStaysIsTriedAgain(t *testing.T) {
	h, c, made := expiring(t, false)
	end := h.trees.end
	h.trees.end = func(context.Context, string) error { return errors.New("its pod does not end") }
	for s := range 30 {
		c.look(t.Context(), made.Expires.Add(time.Duration(s)*2*time.Second))
	}
	attempts := slices.DeleteFunc(h.log.all(), func(l string) bool { return !strings.HasPrefix(l, "service removing ") })
	if !h.there("demo:hers") || len(attempts) != 1 {
		t.Errorf("within a minute: %q", attempts)
	}
	h.trees.end = end
	if c.look(t.Context(), made.Expires.Add(retrying)); h.there("demo:hers") {
		t.Error("it stays")
	}
}

// A fork stays for as long as somebody is in it, who hears once that it is about to go.
func TestNobodysForkGoesFromUnderHim(t *testing.T) {
	h, c, made := expiring(t, false)
	s := h.sit(t, "demo+hers", h.alice)
	c.look(t.Context(), made.Expires.Add(-warning-time.Second))
	select {
	case n := <-s.heard:
		t.Fatalf("too early: %q", n.Text)
	default:
	}
	for range 3 {
		c.look(t.Context(), made.Expires.Add(time.Minute))
	}
	if n := <-s.heard; n.Session != s.id || !strings.Contains(n.Text, "demo:hers is kept until "+made.Expires.Format(time.RFC3339)) {
		t.Errorf("%+v", n)
	}
	if len(s.heard) > 0 || !h.there("demo:hers") {
		t.Errorf("heard again: %d; it is there: %v", len(s.heard), h.there("demo:hers"))
	}
	h.pods.die(s.id)
	h.book().look(h.pods.lives)
	c.look(t.Context(), made.Expires.Add(time.Minute))
	if h.there("demo:hers") {
		t.Error("it stays when nobody is in it any more")
	}
}

// Nor does it go while somebody is entering.
func TestNobodysForkGoesWhileHeEnters(t *testing.T) {
	h, c, made := expiring(t, false)
	use := &h.Warden.pods.locksOf(made.GUID).use
	use.RLock()
	c.look(t.Context(), made.Expires)
	if !h.there("demo:hers") {
		t.Error("it goes")
	}
	use.RUnlock()
	if c.look(t.Context(), made.Expires); h.there("demo:hers") {
		t.Error("control: it stays")
	}
}

// Use has the time of a fork begin again, where policy says so, and the owner's word does.
func TestRenewal(t *testing.T) {
	for _, renew := range []bool{false, true} {
		h, c, made := expiring(t, renew)
		late := made
		late.Expires = time.Now().Add(30 * time.Minute).UTC()
		h.trees.mu.Lock()
		h.trees.trees[late.Ref()] = late
		h.trees.mu.Unlock()
		h.sit(t, "demo+hers", h.alice)
		c.look(t.Context(), time.Now())
		got, _ := h.trees.Get(made.GUID)
		if renewed := got.Expires.After(late.Expires); renewed != renew {
			t.Errorf("renew %v: it expires at %v, and before at %v", renew, got.Expires, late.Expires)
		}
		if _, err := h.connect(t, "gate", h.alice).Verb(t.Context(), client.VerbRequest{Words: say("extend", "demo:hers")}); err != nil {
			t.Fatal(err)
		}
		if got, _ := h.trees.Get(made.GUID); time.Until(got.Expires) < 59*time.Minute {
			t.Errorf("extended, it expires at %v", got.Expires)
		}
	}
}
