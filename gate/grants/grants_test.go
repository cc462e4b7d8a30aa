package grants

import (
	"context"
	"errors"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"forkgate/gate"
)

// paper is a shelf in memory, which outlives books.
type paper struct {
	mu      sync.Mutex
	records map[string][]byte
	fail    error
}

func newPaper() *paper { return &paper{records: map[string][]byte{}} }

func (p *paper) Put(key string, record []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fail == nil {
		p.records[key] = record
	}
	return p.fail
}

func (p *paper) Delete(key string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.records, key)
	return p.fail
}

func (p *paper) All() (map[string][]byte, error) { return maps.Clone(p.records), p.fail }

func open(t *testing.T, p *paper) *Book {
	t.Helper()
	b, err := Open(p, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// wish is one of alice's agent at shop, for one session.
func wish(session string, change ...func(*Wish)) Wish {
	w := Wish{
		Session: session, Target: gate.Target{GUID: "guid", Repo: "shop", Grand: true}, Who: gate.Caller{Principal: "alice"},
		Lineage: "key k", Op: gate.OpExec, Command: "make deploy", Env: []string{"LANG=C"}, Terms: gate.Approval{Wait: time.Minute, Lasts: 15 * time.Minute, Uses: 1},
	}
	for _, c := range change {
		c(&w)
	}
	return w
}

func thrice(w *Wish) { w.Terms.Uses = 3 }

// granted has bob approve a wish.
func granted(t *testing.T, b *Book, w Wish) Grant {
	t.Helper()
	waiting, err := b.Wait(w)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Approve(waiting.ID, "bob", "he is present"); err != nil {
		t.Fatal(err)
	}
	g, err := b.Await(t.Context(), waiting)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestAWishWaitsForItsApproval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, newPaper())
		waiting, err := b.Wait(wish("s1"))
		if err != nil {
			t.Fatal(err)
		}
		answered := make(chan Grant)
		go func() {
			g, err := b.Await(t.Context(), waiting)
			if err != nil {
				t.Error(err)
			}
			answered <- g
		}()
		synctest.Wait()
		select {
		case <-answered:
			t.Fatal("it does not wait")
		default:
		}
		if all := b.AllWaiting(); len(all) != 1 || all[0].ID != waiting.ID {
			t.Errorf("these wait: %+v", all)
		}
		if _, err := b.Approve(waiting.ID, "bob", "he is present"); err != nil {
			t.Fatal(err)
		}
		g := <-answered
		if g.Principal != "alice" || g.Approver != "bob" || g.GUID != "guid" || g.Until.Sub(g.From) != 15*time.Minute || !b.Starting("s1") {
			t.Errorf("got %+v", g)
		}
		if len(b.AllWaiting()) != 0 {
			t.Error("it still waits")
		}
	})
}

func TestNobodyApproves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, newPaper())
		waiting, _ := b.Wait(wish("s1"))
		if g, err := b.Await(t.Context(), waiting); !errors.Is(err, ErrNobody) || g.ID != "" {
			t.Errorf("%+v, %v", g, err)
		}
		if _, err := b.Approve(waiting.ID, "bob", ""); !errors.Is(err, ErrUnknown) {
			t.Errorf("it can be approved afterwards: %v", err)
		}
		if len(b.Grants()) != 0 {
			t.Errorf("there are %+v", b.Grants())
		}
	})
}

func TestTurnedDown(t *testing.T) {
	b := open(t, newPaper())
	waiting, _ := b.Wait(wish("s1"))
	if err := b.Deny(waiting.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Await(t.Context(), waiting); !errors.Is(err, ErrDenied) {
		t.Error(err)
	}
	if err := b.Deny(waiting.ID); !errors.Is(err, ErrUnknown) {
		t.Errorf("a second time: %v", err)
	}
}

// Who has gone waits for nothing, and what was granted to him a moment before opens nothing.
func TestWhoVanishes(t *testing.T) {
	b := open(t, newPaper())
	ctx, vanish := context.WithCancel(t.Context())
	waiting, _ := b.Wait(wish("s1"))
	vanish()
	if _, err := b.Await(ctx, waiting); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := b.Approve(waiting.ID, "bob", ""); !errors.Is(err, ErrUnknown) {
		t.Errorf("it can be approved afterwards: %v", err)
	}
	for range 50 { // which of the two is seen first is chance
		late, _ := b.Wait(wish("s2"))
		if _, err := b.Approve(late.ID, "bob", ""); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Await(ctx, late); err == nil {
			b.Opened("s2") // as who was let in does when nothing comes of it
			continue
		}
		if g, ok := b.Grant(late.ID); !ok || g.Ending == "" || b.Starting("s2") {
			t.Fatalf("the grant goes on: %+v", g)
		}
	}
}

func TestAWishIsApprovedOnce(t *testing.T) {
	b := open(t, newPaper())
	g := granted(t, b, wish("s1"))
	if _, err := b.Approve(g.ID, "bob", ""); !errors.Is(err, ErrUnknown) {
		t.Errorf("a second time: %v", err)
	}
	for _, guess := range []string{"", "x", g.ID + "x", strings.ToUpper(g.ID), "aaaaaaaaaaaa"} {
		if _, err := b.Approve(guess, "bob", ""); !errors.Is(err, ErrUnknown) {
			t.Errorf("%q: %v", guess, err)
		}
	}
}

func TestOneUseOpensOneSession(t *testing.T) {
	b := open(t, newPaper())
	granted(t, b, wish("s1"))
	if g, ok, err := b.Take(wish("s2")); ok || err != nil {
		t.Errorf("%+v, %v", g, err)
	}
}

func TestSeveralUsesAreTheLineages(t *testing.T) {
	b := open(t, newPaper())
	first := granted(t, b, wish("s1", thrice))
	for name, change := range map[string]func(*Wish){
		"another lineage":   func(w *Wish) { w.Lineage = "key l" },
		"no lineage":        func(w *Wish) { w.Lineage = "" },
		"another principal": func(w *Wish) { w.Who.Principal = "eve" },
		"another kind":      func(w *Wish) { w.Who.Kind = gate.Human },
		"another tree":      func(w *Wish) { w.Target.GUID = "other" },
		"another command":   func(w *Wish) { w.Command = "make destroy" },
		"another op":        func(w *Wish) { w.Op = gate.OpSFTP },
		"a shell":           func(w *Wish) { w.Op, w.Command = gate.OpShell, "" },
		"a variable more":   func(w *Wish) { w.Env = []string{"EDITOR=sh", "LANG=C"} },
		"no variables":      func(w *Wish) { w.Env = nil },
	} {
		if g, ok, _ := b.Take(wish("s2", change)); ok {
			t.Errorf("%s: %+v", name, g)
		}
	}
	for _, session := range []string{"s2", "s3"} {
		if g, ok, err := b.Take(wish(session)); !ok || err != nil || g.ID != first.ID {
			t.Errorf("%s: %+v, %v, %v", session, g, ok, err)
		}
	}
	if _, ok, _ := b.Take(wish("s4")); ok {
		t.Error("it opens a fourth")
	}
}

// Who approved a shell has approved whatever is typed there, and so whatever is run. The control to another command being refused.
func TestAShellIsAnything(t *testing.T) {
	b := open(t, newPaper())
	first := granted(t, b, wish("s1", thrice, func(w *Wish) { w.Op, w.Command = gate.OpShell, "" }))
	for _, session := range []string{"s2", "s3"} {
		if g, ok, err := b.Take(wish(session)); !ok || err != nil || g.ID != first.ID {
			t.Errorf("%s: %+v, %v, %v", session, g, ok, err)
		}
	}
}

func TestWhenAGrantEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, newPaper())
		g := granted(t, b, wish("s1", thrice))
		if why := g.Due(time.Now()); why != "" {
			t.Errorf("at once: %s", why)
		}
		if why := g.Due(g.Until); why != "it expired" {
			t.Errorf("at its end: %q", why)
		}
		if why := g.Due(g.From.Add(-2 * time.Minute)); !strings.Contains(why, "clock") {
			t.Errorf("before its start: %q", why)
		}
		once := granted(t, b, wish("s2"))
		if why := once.Due(time.Now()); why != "" {
			t.Errorf("while its session lives: %s", why)
		}
		if err := b.Over(once.ID, "s2"); err != nil {
			t.Fatal(err)
		}
		once, _ = b.Grant(once.ID)
		if why := once.Due(time.Now()); why != "it is used up" {
			t.Errorf("after its session: %q", why)
		}
		if err := errors.Join(b.Over(g.ID, "s1"), b.End(g.ID, "bob took it back"), b.End(g.ID, "another reason")); err != nil {
			t.Fatal(err)
		}
		g, _ = b.Grant(g.ID)
		if why := g.Due(time.Now()); why != "bob took it back" {
			t.Errorf("taken back: %q", why)
		}
		if _, ok, _ := b.Take(wish("s3")); ok {
			t.Error("it opens one more session while it ends")
		}
		time.Sleep(time.Hour)
		other := granted(t, b, wish("s4", thrice))
		time.Sleep(15 * time.Minute)
		if g, ok, _ := b.Take(wish("s5")); ok {
			t.Errorf("one that has expired opens a session: %+v, %+v", g, other)
		}
	})
}

func TestABookIsReadAgain(t *testing.T) {
	p := newPaper()
	b := open(t, p)
	kept, gone := granted(t, b, wish("s1", thrice)), granted(t, b, wish("s2"))
	waiting, _ := b.Wait(wish("s3"))
	if err := errors.Join(b.Note(kept.ID, []byte(`{"containers":null}`)), b.End(kept.ID, "taken back"), b.Remove(gone.ID)); err != nil {
		t.Fatal(err)
	}
	again := open(t, p)
	all := again.Grants()
	if len(all) != 1 || all[0].ID != kept.ID || all[0].Ending != "taken back" || string(all[0].Before) != `{"containers":null}` ||
		!all[0].Until.Equal(kept.Until) || all[0].Living()[0] != "s1" {
		t.Errorf("got %+v", all)
	}
	if again.Starting("s1") {
		t.Error("a session of the last warden's is thought to be starting")
	}
	if _, err := again.Approve(waiting.ID, "bob", ""); !errors.Is(err, ErrUnknown) {
		t.Errorf("a wish outlives its warden: %v", err)
	}
}

// What is not on the disk is not granted.
func TestWithoutADiskNothingIsGranted(t *testing.T) {
	p := newPaper()
	b := open(t, p)
	granted(t, b, wish("s1", thrice))
	waiting, _ := b.Wait(wish("s2"))
	p.fail = errors.New("no space left")
	if _, err := b.Approve(waiting.ID, "bob", ""); !errors.Is(err, p.fail) {
		t.Error(err)
	}
	if _, ok, err := b.Take(wish("s3")); ok || !errors.Is(err, p.fail) {
		t.Errorf("%v, %v", ok, err)
	}
	p.fail = nil
	if _, err := b.Approve(waiting.ID, "bob", ""); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestADamagedBookIsNotOpened(t *testing.T) {
	good := `"id":"x","guid":"g","principal":"alice","approver":"bob","from":"2026-11-23T12:00:00Z","until":"2026-11-23T12:15:00Z"`
	for name, record := range map[string]string{
		"none":          `no JSON`,
		"another's":     `{` + strings.Replace(good, `"x"`, `"y"`, 1) + `,"uses":1,"sessions":[{"name":"s"}]}`,
		"without uses":  `{` + good + `,"sessions":[{"name":"s"}]}`,
		"used too much": `{` + good + `,"uses":1,"sessions":[{"name":"s"},{"name":"t"}]}`,
		"never used":    `{` + good + `,"uses":1}`,
		"without time":  `{"id":"x","guid":"g","principal":"alice","approver":"bob","uses":1,"sessions":[{"name":"s"}]}`,
		"nobody's":      `{` + strings.Replace(good, `"alice"`, `""`, 1) + `,"uses":1,"sessions":[{"name":"s"}]}`,
	} {
		if _, err := Open(&paper{records: map[string][]byte{"x": []byte(record)}}, time.Now); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Open(&paper{records: map[string][]byte{"x": []byte(`{` + good + `,"uses":1,"sessions":[{"name":"s"}]}`)}}, time.Now); err != nil {
		t.Errorf("control: %v", err)
	}
}

func TestFewWait(t *testing.T) {
	b := open(t, newPaper())
	for i := range maxWaitingPrincipal + 1 {
		_, err := b.Wait(wish("s"))
		if i < maxWaitingPrincipal != (err == nil) || err != nil && !errors.Is(err, ErrTooMany) {
			t.Errorf("%d: %v", i, err)
		}
	}
	if _, err := b.Wait(wish("s", func(w *Wish) { w.Who.Principal = "carol" })); err != nil {
		t.Errorf("another principal: %v", err)
	}
}
