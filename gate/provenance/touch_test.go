package provenance

import (
	"strings"
	"testing"

	"forkgate/gate"
)

// A touch makes class 4 of an attested person, and nothing of anybody else.
func TestTouch(t *testing.T) {
	alice := Principal{Name: "alice", Vouched: true}
	enrolled := &gate.Touch{Name: "yubikey", Key: "SHA256:sk", Enrolled: true}
	marked := &gate.Touch{Name: "yubikey", Key: "SHA256:sk"}
	for _, test := range []struct {
		name   string
		change func(*Statement)
		spoil  func(*gate.Evidence)
		touch  *gate.Touch
		class  gate.Class
		human  bool
		says   string
	}{
		{name: "enrolled", touch: enrolled, class: gate.ClassPresence, human: true, says: "it is enrolled"},
		{name: "marked", touch: marked, class: gate.ClassPresence, human: true, says: "approves nothing"},
		{name: "none", class: gate.ClassAttested, human: true},
		{name: "without a name", touch: &gate.Touch{Key: "SHA256:sk", Enrolled: true}, class: gate.ClassAttested, human: true},
		{name: "without a key", touch: &gate.Touch{Name: "yubikey", Enrolled: true}, class: gate.ClassAttested, human: true},
		{name: "an agent", change: func(s *Statement) { s.Verdict, s.Agent = ByAgent, "Claude Code" }, touch: enrolled, class: gate.ClassAttested, says: "adds nothing"},
		{name: "unverified", change: func(s *Statement) { s.Verdict = Unverified }, touch: enrolled, class: gate.ClassAttested, says: "adds nothing"},
		{name: "without a protection", change: func(s *Statement) { s.Protections = s.Protections[1:] }, touch: enrolled, class: gate.ClassAttested, says: "adds nothing"},
		{name: "with a mark", spoil: func(e *gate.Evidence) { e.Env = []string{"CLAUDECODE=1"} }, touch: enrolled, class: gate.ClassAttested, says: "adds nothing"},
		{name: "shared", spoil: func(e *gate.Evidence) { e.Alone = false }, touch: enrolled, class: gate.ClassAttested, says: "adds nothing"},
		{name: "a vouched key", spoil: func(e *gate.Evidence) { e.Attestor, e.Statement = "", nil }, touch: enrolled, class: gate.ClassKey, human: true},
		{name: "a dropped attestor", spoil: func(e *gate.Evidence) { e.Attestor = "SHA256:other" }, touch: enrolled, class: gate.ClassNone},
	} {
		t.Run(test.name, func(t *testing.T) {
			e, attestors := spoken(t, test.change)
			if test.spoil != nil {
				test.spoil(&e)
			}
			e.Touch = test.touch
			got := Classify(testAgents(t), attestors, alice, e)
			if got.Class != test.class || (got.Kind == gate.Human) != test.human || !strings.Contains(strings.Join(got.Evidence, "\n"), test.says) {
				t.Errorf("got %+v", got)
			}
			if present := test.class == gate.ClassPresence; (got.SecurityKey != "") != present || got.Enrolled != (present && test.touch.Enrolled) {
				t.Errorf("key %q, enrolled %t", got.SecurityKey, got.Enrolled)
			}
		})
	}
}

// A security key that signs in is a key: that it was touched makes no person.
func TestABareTouch(t *testing.T) {
	got := Classify(nil, nil, Principal{Name: "alice"}, gate.Evidence{Principal: "alice", Key: fingerprint, SecurityKey: true})
	if got.Kind != gate.Agent || got.Class != gate.ClassKey || !strings.Contains(strings.Join(got.Evidence, "\n"), "nothing shows by whom") {
		t.Errorf("got %+v", got)
	}
}
