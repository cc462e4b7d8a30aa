package attest

import (
	"testing"

	"forkgate/gate/provenance"
)

func TestAPersonIsOne(t *testing.T) {
	w := newWorkstation(t)
	w.daemon(t)
	p := w.login(t)
	a := p.asks("$ssh")
	if !a.Attested.Person() || a.Attested.Principal != "alice" || a.Attested.Attestor != "laptop" {
		t.Errorf("got %+v", a)
	}
	if a := p.asks("./claude $ssh"); a.Attested.Statement.Verdict != provenance.ByAgent || a.Attested.Statement.Agent != "Claude Code" {
		t.Errorf("got %+v", a)
	}
}
