package docs

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"filippo.io/age"
	"golang.org/x/crypto/ssh"

	"forkgate/gate/policy"
	policyd "forkgate/policy.d"
)

// Each piece of policy in a document loads beside the shipped one, as a file of its own: its tests pass, too.
func TestPolicyInDocumentsLoads(t *testing.T) {
	n := 0
	for _, d := range documents(t) {
		for _, b := range d.blocks {
			if b.info != "hcl" {
				continue
			}
			n++
			if err := loads(t, strings.Join(d.lines[b.first:b.end], "\n")+"\n"); err != nil {
				t.Errorf("%s:%d: %v", d.name, b.first, err)
			}
		}
	}
	if n < 10 {
		t.Errorf("only %d pieces of policy found", n)
	}
	for _, wrong := range []string{"permit {", `permit "x" { when = caller.knd == "human" }`, `principal "x" { keys = ["ssh-ed25519 AAAAC3"] }`,
		`permit "agents-make-forks" { when = true }`} {
		if loads(t, wrong) == nil {
			t.Errorf("%s loads", wrong)
		}
	}
}

func loads(t *testing.T, text string) error {
	t.Helper()
	_, err := policy.Load(policy.FS{FS: policyd.Files()}, policy.Text{Name: "document.hcl", Text: []byte(filled(t, text))})
	return err
}

// filled puts keys in the places of those that a document leaves out, each another one.
func filled(t *testing.T, text string) string {
	t.Helper()
	for strings.Contains(text, "AAAA...") {
		public, _, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		wire := ssh.Marshal(struct {
			Type string
			Key  []byte
		}{ssh.KeyAlgoED25519, public})
		at := strings.Index(text, "AAAA...")
		if strings.HasSuffix(text[:at], ssh.KeyAlgoSKED25519+" ") {
			wire = ssh.Marshal(struct {
				Type        string
				Key         []byte
				Application string
			}{ssh.KeyAlgoSKED25519, public, "ssh:"})
		}
		text = text[:at] + base64.StdEncoding.EncodeToString(wire) + text[at+len("AAAA..."):]
	}
	recipient, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer("SHA256:...", "SHA256:"+strings.Repeat("A", 43), "age1...", fmt.Sprint(recipient.Recipient())).Replace(text)
}
