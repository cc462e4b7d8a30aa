package policy_test

import (
	"slices"
	"strings"
	"testing"

	"forkgate/gate/policy"
)

// A principal that is taken out is out, whatever still names it: a policy that did not load for that would leave the old one, and its access, in force.
// What looks like a slip of a name is an error as ever.
func TestAPrincipalThatIsGone(t *testing.T) {
	const rest = `
principal "bob" {
  keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGAsv5mLOQjLzHUJ6RlWUQjqXpF5MSG3JEtWPxf6b/x7"]
}
attestor "laptop" {
  key        = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ5Dk0lQ2cAXi0AcuZ3uMMv/5nPnhSh8LN8EMcHtCpnZ"
  principals = { "1000" = "alice" }
}
authority "company" {
  key        = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBJMfxK0yyBQyUnmkTZBYyB8yzxn6QKGf2NHWkJ1U5mE"
  principals = { "alice@example.org" = "alice" }
}
security_key "alices" {
  principal = "alice"
  key       = "sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIOpKA6pn7w3czKjRp0KJ5WPm/cfSDWx8tP185LnRpGEeAAAABHNzaDo="
  presence  = true
}
permit "anything" {
  when = op == "list"
}
`
	p, err := policy.Load(policy.Text{Name: "a.hcl", Text: []byte(rest)})
	if err != nil {
		t.Fatal(err)
	}
	if len(p.SecurityKeys()) != 0 || len(p.Attestors()) != 1 || len(p.Attestors()[0].Principals) != 0 || len(p.Authorities()[0].Principals) != 0 {
		t.Errorf("she is still named by %+v, %+v, %+v", p.SecurityKeys(), p.Attestors(), p.Authorities())
	}
	notes := 0
	for _, note := range p.Summary().Notes {
		if strings.Contains(note.Detail, `There is no principal "alice"`) {
			notes++
		}
	}
	if notes != 3 {
		t.Errorf("it is noted %d times: %+v", notes, p.Summary().Notes)
	}
	// Another name that is a letter away does not keep her in, where it is known that there was one.
	near := strings.ReplaceAll(rest, `principal "bob"`, `principal "alicee"`)
	p, err = policy.LoadAfter([]string{"alice"}, policy.Text{Name: "a.hcl", Text: []byte(near)})
	if err != nil || len(p.SecurityKeys()) != 0 {
		t.Fatalf("after a policy with her: %v", err)
	}
	if past := p.Past(); !slices.Equal(past, []string{"alice", "alicee"}) {
		t.Errorf("there have been %q", past)
	}
	if _, err := policy.Load(policy.Text{Name: "a.hcl", Text: []byte(near)}); err == nil || !strings.Contains(err.Error(), "Did you mean") {
		t.Errorf("a slip: %v", err)
	}
}
