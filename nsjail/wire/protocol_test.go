package wire

import (
	"errors"
	"slices"
	"testing"
)

// Each is understood in two versions, and in no other: the newest, and the one before.
func TestVersions(t *testing.T) {
	p := Protocol{What: "a test's", Oldest: 2, Newest: 3, Mend: "mend it"}
	for version, known := range map[int]bool{-1: false, 0: false, 1: false, 2: true, 3: true, 4: false} {
		if p.Knows(version) != known {
			t.Errorf("version %d: known is %t", version, !known)
		}
	}
	if first := (Protocol{Oldest: 1, Newest: 2}); !first.Knows(0) || !first.Knows(1) || !first.Knows(2) || first.Knows(3) {
		t.Error("what says no version is not of the first")
	}
	for _, p := range All() {
		if p.Oldest < 1 || p.Newest < p.Oldest || p.Newest > p.Oldest+1 || p.What == "" || p.Mend == "" {
			t.Errorf("%+v", p)
		}
	}
}

// Who opens a connection says once which version it speaks; where that is none of the other's, it hears which are, and nothing else happens.
func TestAdmit(t *testing.T) {
	newer, older := Protocol{"a test's", 2, 3, "mend it"}, Protocol{"a test's", 1, 2, "mend it"}
	for _, c := range []struct {
		asks, answers Protocol
		ok            bool
	}{{newer, newer, true}, {older, newer, true}, {newer, older, false}, {older, older, true}, {Protocol{}, older, true}, {Protocol{}, newer, false}} {
		a, theirs, err := Pair()
		if err != nil {
			t.Fatal(err)
		}
		b, err := NewConn(theirs)
		if err != nil {
			t.Fatal(err)
		}
		a.Speak(c.asks)
		var heard []int
		var admitted error
		for i := range 2 {
			if err := a.Send(7, "question", struct{}{}); err != nil {
				t.Fatal(err)
			}
			m, _, err := b.Receive()
			if err != nil {
				t.Fatal(err)
			}
			heard = append(heard, m.Version)
			if i == 0 {
				admitted = c.answers.Admit(b, m)
			}
		}
		if want := []int{c.asks.Newest, 0}; !slices.Equal(heard, want) || (admitted == nil) != c.ok {
			t.Errorf("%+v asks %+v: the messages say %v, admitted: %v", c.asks, c.answers, heard, admitted)
		}
		if !c.ok {
			m, _, err := a.Receive()
			why := c.asks.Understood(m)
			if err != nil || m.ID != 7 || !errors.Is(why, ErrVersion) {
				t.Errorf("the answer is %+v, %v", m, err)
			}
			if less, there := c.asks.Older(why); there != (c.asks.Newest == 3) || less.Newest != min(c.asks.Newest, 2) {
				t.Errorf("%+v comes again to %+v as %+v, %t", c.asks, c.answers, less, there)
			}
		}
		a.Close()
		b.Close()
	}
}

// What says nothing of versions is what it was before there were any: a build without them, which refuses what it does not know, understands the first.
func TestTheFirstVersionSaysNothing(t *testing.T) {
	a, theirs, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	defer theirs.Close()
	a.Speak(Protocol{Oldest: 1, Newest: 1})
	if err := a.Send(1, "exec", struct{}{}); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 100)
	n, err := theirs.Read(got)
	if want := `{"id":1,"type":"exec","body":{}}`; err != nil || string(got[:n]) != want {
		t.Errorf("it says %q, %v; want %q", got[:n], err, want)
	}
}
