package provenance_test

import (
	"testing"

	"forkgate/gate"
	"forkgate/gate/provenance"
)

func TestLineage(t *testing.T) {
	key := gate.Evidence{Principal: "alice", Key: "SHA256:k"}
	claude := gate.Caller{Principal: "alice", Agent: "Claude Code"}
	first := provenance.Lineage(key, claude)
	if first == "" || first != provenance.Lineage(key, claude) {
		t.Errorf("one key is %q, and then %q", first, provenance.Lineage(key, claude))
	}
	other := key
	other.Key = "SHA256:l"
	if provenance.Lineage(other, claude) == first || provenance.Lineage(key, gate.Caller{Agent: "Codex"}) == first {
		t.Error("another key, or another agent, is the same")
	}
	if l := provenance.Lineage(gate.Evidence{Principal: "alice"}, claude); l != "" {
		t.Errorf("nothing is %q", l)
	}
	if l := provenance.Lineage(gate.Evidence{Attestor: "SHA256:a", Statement: []byte("{}"), Key: "SHA256:k"}, claude); l != "" {
		t.Errorf("a malformed statement is %q", l)
	}
}

// Certificates have a new key for each connection: what sessions have in common is the login on the workstation.
func TestLineageOfTheAttested(t *testing.T) {
	lineage := func(pid int, start uint64, session, key string) string {
		s := provenance.Statement{
			Verdict: provenance.ByAgent, Agent: "Claude Code", Reasons: []string{"x"}, UID: 1000, Session: session, HostKey: "SHA256:h",
			Chain: []provenance.Link{{PID: 9, Start: 90, UID: 1000, Name: "ssh"}, {PID: pid, Start: start, UID: 1000, Name: "bash"}, {PID: 2, Start: 1, Name: "login"}},
		}
		text, err := s.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return provenance.Lineage(gate.Evidence{Attestor: "SHA256:a", Statement: text, Key: key}, gate.Caller{Agent: "Claude Code"})
	}
	first := lineage(7, 70, "00", "SHA256:k")
	if first == "" || first != lineage(7, 70, "01", "SHA256:l") {
		t.Errorf("one login is %q, and then %q", first, lineage(7, 70, "01", "SHA256:l"))
	}
	if lineage(8, 70, "00", "SHA256:k") == first || lineage(7, 71, "00", "SHA256:k") == first {
		t.Error("another login is the same")
	}
}
