package attest

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"forkgate/tests/authenticator"
	"forkgate/tests/need"
)

// shown finds the line that somebody is asked to run.
var shown = regexp.MustCompile(`(?m)^  (printf %s '[^']*' \| ssh-keygen [^\r\n]*)`)

// printed is what it prints, among what a terminal shows.
var printed = regexp.MustCompile(`U1NIU0lH[A-Za-z0-9+/]+=*`)

// A person whose security key is of type ecdsa-sk runs the line that the gate shows in a second terminal, as it is, and pastes what that prints. It counts
// where it is pasted; elsewhere, and for an agent who has the same line signed, it does not.
func TestASignedLine(t *testing.T) {
	p := enrol(t)
	provider, err := os.ReadFile(authenticator.New(t, nil).Provider)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(p.w.dir, "authenticator.so"), provider, 0o755))
	const hardware = "export AUTHENTICATOR=~/sk SSH_SK_PROVIDER=$PWD/authenticator.so; "
	p.login(t).types(hardware + "mkdir -p ~/sk ~/.ssh; ssh-keygen -q -t ecdsa-sk -N '' -C '' -f ~/.ssh/id_ecdsa_sk; ssh-keygen -q -t ed25519 -N '' -f ~/own-key")
	read := func(name string) string {
		line, err := os.ReadFile(filepath.Join(p.w.home, name))
		must(t, err)
		return fmt.Sprintf("%q", strings.TrimSpace(string(line)))
	}
	must(t, os.WriteFile(filepath.Join(p.Root(), "etc/forkgate/policy.d/touch.hcl"), []byte(`
security_key "yubikey" {
  principal = "alice"
  key       = `+read(".ssh/id_ecdsa_sk.pub")+`
  presence  = true
}
forbid "shop-wants-a-touch" {
  when   = target.repo == "shop" && caller.kind == "human" && caller.class < 4 && op == "exec"
  reason = "shop wants a touch"
}
`), 0o644))
	p.knows(t, read("own-key.pub"))

	// asked begins a connection in a terminal of its own, and returns the line that is shown there.
	asked := func() (*person, string) {
		first := p.login(t)
		fmt.Fprintf(first.tty, "ssh -F ssh_config -o BatchMode=no shop@production 'id; cat orders.txt'; echo over\n")
		var line []string
		need.Eventually(t, "the question", func() bool {
			line = shown.FindStringSubmatch(first.seen.String())
			return line != nil && strings.Contains(first.seen.String(), "as class 3: ")
		})
		return first, line[1]
	}
	answers := func(first *person, signature, want string) {
		t.Helper()
		fmt.Fprintln(first.tty, signature)
		need.Eventually(t, fmt.Sprintf("%q; so far %q", want, first.seen.String()), func() bool {
			return strings.Contains(first.seen.String(), want) && strings.Contains(first.seen.String(), "over")
		})
	}
	first, line := asked()
	if !strings.Contains(line, "'alice to shop at ") {
		t.Errorf("shown is %q", line)
	}
	said := p.login(t).types(hardware + line)
	signature := printed.FindString(said)
	if signature == "" {
		t.Fatalf("%q prints %q", line, said)
	}
	answers(first, signature, "orders")
	again, _ := asked()
	answers(again, signature, "shop wants a touch") // another connection's
	nothing, _ := asked()
	answers(nothing, "", "shop wants a touch")
	if said := p.login(t).types("./claude ssh -n -F ssh_config -o BatchMode=no shop@production id"); strings.Contains(said, "printf") || !strings.Contains(said, "agents work in forks") {
		t.Errorf("an agent is asked: %q", said)
	}
}
