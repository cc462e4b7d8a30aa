package audit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"forkgate/gate"
)

// The lines of a session lead back to the one that let it in, and those of others do not.
func TestALineHasItsParent(t *testing.T) {
	l, path := open(t)
	permit, forbid := gate.Decision{Verdict: gate.Permit}, gate.Decision{}
	listing := request
	listing.Op = gate.OpList
	for _, err := range []error{
		l.Decision("other", request, forbid), // 1
		l.Decision("s1", request, permit),    // 2
		l.Decision("s1", listing, permit),
		l.Decision("s2", request, permit), // 4
		l.Started("s1", request), l.Started("s2", request), l.Started("other", request),
		l.Revoked("s2", request, forbid), l.Ended("s1", request, End{}), l.Ended("s2", request, End{}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	want := "0 0 0 0 2 4 0 4 2 4 "
	got := ""
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(text) {
		var e Entry
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatal(err)
		}
		got += fmt.Sprintf("%d ", e.Parent)
	}
	if got != want || len(l.parents) != 0 {
		t.Errorf("%s, not %s; left: %v", got, want, l.parents)
	}
	for i := range 2 * maxParents {
		l.parents.line(&Entry{Event: EventDecision, Session: fmt.Sprint(i), Op: gate.OpExec, Verdict: gate.Permit.String(), Seq: 1})
	}
	if len(l.parents) > maxParents {
		t.Errorf("%d sessions are remembered", len(l.parents))
	}
}
