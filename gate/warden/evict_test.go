package warden

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"forkgate/fork"
	"forkgate/gate"
)

// crowded is a host on which alice has as many forks as are allowed, of which first was unused for longest.
func crowded(t *testing.T, pods string) (h *host, made map[string]fork.Tree) {
	t.Helper()
	h = newHost(t)
	h.text += "pods {\n  forks_per_principal = 3\n" + pods + "}\n"
	if err := h.rules.reload(); err != nil {
		t.Fatal(err)
	}
	var err error
	if h.Warden.pods.visits, err = openVisits(newPaper()); err != nil {
		t.Fatal(err)
	}
	h.gates[door].Forks = forks{h.trees, h.Warden.pods.visits}
	h.start(t)
	demo, _ := h.trees.Find("demo", "")
	made = map[string]fork.Tree{}
	for n, tag := range []string{"first", "second", "third"} {
		at := time.Now().Add(time.Duration(n-10) * time.Hour)
		made[tag] = h.trees.add(fork.Tree{Repo: "demo", Tag: tag, Owner: "alice", Parent: demo.GUID, Used: at, Expires: time.Now().Add(time.Hour)})
	}
	h.trees.add(fork.Tree{Repo: "demo", Tag: "his", Owner: "bob", Parent: demo.GUID, Expires: time.Now().Add(time.Hour)})
	h.trees.most = 3
	return h, made
}

// makes has somebody make a fork for alice, of production or what parent names.
func (h *host) makes(t *testing.T, kind gate.Kind, tag, parent string) error {
	t.Helper()
	child := gate.Target{Repo: "demo", Tag: tag, Fork: true, Owner: "alice", Parent: parent}
	_, _, err := evicting{forks{h.trees, h.Warden.pods.visits}, h.Warden}.Make(t.Context(), gate.Caller{Principal: "alice", Kind: kind}, child, gate.Limits{})
	return err
}

// Where policy says so, the fork of one's own goes that was unused for longest.
func TestTheLongestUnusedGoes(t *testing.T) {
	h, made := crowded(t, "  evict = true\n")
	h.Warden.pods.used(made["first"].GUID)
	if err := h.makes(t, gate.Human, "new", "demo"); err != nil {
		t.Fatal(err)
	}
	if h.there("demo:second") || !h.there("demo:first") || !h.there("demo:third") || !h.there("demo:his") || !h.there("demo:new") {
		t.Error("it is not the second that goes")
	}
	if !h.log.has("service removing the fork demo:second (" + made["second"].GUID + ") of alice: alice has as many as are allowed, and this one was unused for longest, since " +
		made["second"].Used.UTC().Format(time.RFC3339)) {
		t.Errorf("%q", h.log.all())
	}
}

// Nothing goes where policy says nothing of it: the control, by the same request.
func TestNothingIsEvictedByDefault(t *testing.T) {
	h, _ := crowded(t, "")
	if err := h.makes(t, gate.Human, "new", "demo"); !errors.Is(err, fork.ErrTooManyForks) || !h.there("demo:first") {
		t.Errorf("it says %v", err)
	}
}

// What somebody is in, what is frozen, what never expires, and what the new one is made of, stays; with nothing left the answer is no.
func TestWhatIsNotEvicted(t *testing.T) {
	h, made := crowded(t, "  evict = true\n")
	h.sit(t, "demo+first", h.alice)
	if _, err := h.trees.Freeze(made["second"].GUID); err != nil {
		t.Fatal(err)
	}
	if err := h.makes(t, gate.Human, "new", "demo:third"); !errors.Is(err, fork.ErrTooManyForks) || !strings.Contains(err.Error(), "alice has 3") {
		t.Errorf("it says %v", err)
	}
	for _, ref := range []string{"demo:first", "demo:second", "demo:third", "demo"} {
		if !h.there(ref) {
			t.Errorf("%s is gone", ref)
		}
	}
	if err := h.makes(t, gate.Human, "new", "demo"); err != nil || h.there("demo:third") {
		t.Errorf("control: %v", err)
	}
	// Nor anything that the record does not take.
	h, _ = crowded(t, "  evict = true\n")
	h.log.mu.Lock()
	h.log.fail = errors.New("disk full")
	h.log.mu.Unlock()
	if err := h.makes(t, gate.Human, "new", "demo"); err == nil || !h.there("demo:first") {
		t.Errorf("without a record: %v", err)
	}
}

// Nothing goes where that would not be enough: a bound on bytes that nothing but what stays is over already, or one that was lowered.
func TestNothingIsEvictedInVain(t *testing.T) {
	h, made := crowded(t, "  evict = true\n  quota_per_principal = \"10GiB\"\n")
	large := made["first"]
	large.Limits.Quota, large.Used = 8<<30, time.Now()
	h.trees.mu.Lock()
	h.trees.trees[large.Ref()] = large
	h.trees.mu.Unlock()
	h.sit(t, "demo+first", h.alice)
	child := gate.Target{Repo: "demo", Tag: "new", Fork: true, Owner: "alice", Parent: "demo"}
	e := evicting{forks{h.trees, h.Warden.pods.visits}, h.Warden}
	who := gate.Caller{Principal: "alice", Kind: gate.Human}
	if _, _, err := e.Make(t.Context(), who, child, gate.Limits{Quota: 3 << 30}); err == nil || !h.there("demo:second") || !h.there("demo:third") {
		t.Errorf("it says %v", err)
	}
	if _, _, err := e.Make(t.Context(), who, child, gate.Limits{Quota: 1 << 30}); err != nil || h.there("demo:second") || !h.there("demo:third") {
		t.Errorf("control: %v", err)
	}
}

// What is being made or removed counts as it does for who makes a fork.
func TestWhatIsBeingRemovedCounts(t *testing.T) {
	h, made := crowded(t, "  evict = true\n")
	stuck := made["third"]
	stuck.State = fork.Removing
	for _, t := range []fork.Tree{stuck, {Repo: "demo", Tag: "half", GUID: "half", Owner: "alice", State: fork.Making}, {Repo: "demo", Tag: "half2", GUID: "half2", Owner: "alice", State: fork.Making}} {
		h.trees.mu.Lock()
		h.trees.trees[t.Ref()] = t
		h.trees.mu.Unlock()
	}
	if err := h.makes(t, gate.Human, "new", "demo"); !errors.Is(err, fork.ErrTooManyForks) || !h.there("demo:first") || !h.there("demo:second") {
		t.Errorf("it says %v", err)
	}
}

// Of many who make a fork at the same time each gets one, or nothing goes for him.
func TestEvictionsAtOnce(t *testing.T) {
	h, _ := crowded(t, "  evict = true\n")
	results := make(chan error, 3)
	for n := range 3 {
		go func() { results <- h.makes(t, gate.Human, fmt.Sprint("new", n), "demo") }()
	}
	for range 3 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	if left := h.trees.Owned("alice"); len(left) != 3 {
		t.Errorf("%d are there", len(left))
	}
}

// The first of each owner's forks hears before the second of any.
func TestInTurn(t *testing.T) {
	h, made := crowded(t, "")
	his, _ := h.trees.Find("demo", "his")
	first, second, third := made["first"].GUID, made["second"].GUID, made["third"].GUID
	if got, want := h.Warden.inTurn([]string{first, second, third, his.GUID}), []string{first, his.GUID, second, third}; !slices.Equal(got, want) {
		t.Errorf("they hear as %q", got)
	}
}

// An agent has nothing go in which only people were.
func TestAnAgentEvictsNobodysWork(t *testing.T) {
	h, made := crowded(t, "  evict = true\n")
	if err := h.makes(t, gate.Agent, "new", "demo"); !errors.Is(err, fork.ErrTooManyForks) {
		t.Fatalf("it says %v", err)
	}
	if err := h.Warden.pods.visits.note(made["third"].GUID, gate.Caller{Principal: "alice", Kind: gate.Agent}); err != nil {
		t.Fatal(err)
	}
	if err := h.makes(t, gate.Agent, "new", "demo"); err != nil || h.there("demo:third") || !h.there("demo:first") {
		t.Errorf("its own: %v", err)
	}
}

// When a fork was used last is on the disk within minutes.
func TestUseIsWrittenDown(t *testing.T) {
	h, made := crowded(t, "")
	c := newCollector(h.Warden)
	c.look(t.Context(), time.Now())
	if first, _ := h.trees.Get(made["first"].GUID); !first.Used.Equal(made["first"].Used) {
		t.Errorf("nobody was there, and it is used at %v", first.Used)
	}
	h.Warden.pods.used(made["first"].GUID)
	c.look(t.Context(), time.Now())
	first, _ := h.trees.Get(made["first"].GUID)
	if time.Since(first.Used) > time.Minute {
		t.Errorf("it is used at %v", first.Used)
	}
	h.Warden.pods.used(made["first"].GUID)
	c.look(t.Context(), time.Now())
	if again, _ := h.trees.Get(made["first"].GUID); !again.Used.Equal(first.Used) {
		t.Error("it is written each time")
	}
}

// Of one principal's forks so many run as policy says: one in which nothing goes on makes way, and where something does in each, no other starts.
func TestPodsPerPrincipal(t *testing.T) {
	h, made := crowded(t, "  pods_per_principal = 2\n")
	p := h.Warden.pods
	busy := map[string]bool{}
	p.busy = func(guid string) (bool, error) { return busy[guid], nil }
	runs := func() (all string) {
		for _, tag := range []string{"first", "second", "third"} {
			if h.pods.has(made[tag].GUID) {
				all += tag + " "
			}
		}
		return all
	}
	for _, step := range []struct{ wake, busy, want, err string }{
		{wake: "first", want: "first "},
		{wake: "second", want: "first second "},
		{wake: "second", want: "first second "},
		{wake: "third", want: "second third "}, // the first was unused for longest
		{wake: "first", busy: "second", want: "first second "},
		{wake: "third", busy: "first", want: "first second ", err: "alice may have 2 forks run at a time, and something goes on in each that does"},
	} {
		if step.busy != "" {
			busy[made[step.busy].GUID] = true
		}
		err := p.wake(t.Context(), made[step.wake].GUID)
		if (err != nil) != (step.err != "") || err != nil && !strings.Contains(err.Error(), step.err) {
			t.Errorf("%+v: %v", step, err)
		}
		if got := runs(); got != step.want {
			t.Errorf("%+v: %q run", step, got)
		}
	}
	demo, _ := h.trees.Find("demo", "")
	his, _ := h.trees.Find("demo", "his")
	if err := errors.Join(p.wake(t.Context(), demo.GUID), p.wake(t.Context(), his.GUID)); err != nil {
		t.Errorf("others': %v", err)
	}
	if left := p.wakers(p.crowdOf("alice")); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

// However many start at once, as many run as may, and no start goes on without end.
func TestPodsPerPrincipalAtOnce(t *testing.T) {
	for range 20 {
		h, made := crowded(t, "  pods_per_principal = 2\n")
		p := h.Warden.pods
		p.busy = func(string) (bool, error) { return true, nil } // what has started stays
		results := make(chan error, len(made))
		for _, m := range made {
			go func() { results <- p.wake(t.Context(), m.GUID) }()
		}
		refused := 0
		for range made {
			select {
			case err := <-results:
				if err != nil {
					refused++
				}
			case <-time.After(10 * time.Second):
				t.Fatal("a start does not come back")
			}
		}
		if running, _ := p.Running(t.Context()); refused != 1 || len(running) != 2 {
			t.Fatalf("%d refused, and %q run", refused, running)
		}
	}
}

// Nobody enters by the name that a fork had.
func TestNobodyEntersByTheOldName(t *testing.T) {
	h, made := crowded(t, "")
	where := forks{h.trees, h.Warden.pods.visits}.target(made["first"])
	h.book().expect(live{ID: "s"}, nil)
	if _, err := h.trees.Rename(made["first"].GUID, "release-1"); err != nil {
		t.Fatal(err)
	}
	_, err := h.Warden.pods.Run(t.Context(), "s", gate.Caller{Principal: "alice"}, where, gate.Work{})
	if err == nil || !strings.Contains(err.Error(), "demo:first has another name now") || h.pods.starts() != 0 {
		t.Errorf("it says %v", err)
	}
}
