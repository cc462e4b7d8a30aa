package policy_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"testing"

	"filippo.io/age"
	"golang.org/x/crypto/ssh"

	"forkgate/gate/policy"
)

// secretKeys are fresh ones, each in the form in which it lies in a file.
func secretKeys(t *testing.T) map[string]string {
	t.Helper()
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	openssh, err := ssh.MarshalPrivateKey(ed, "alice")
	if err != nil {
		t.Fatal(err)
	}
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	old := &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(r)}
	sealed := &pem.Block{Type: old.Type, Bytes: old.Bytes, Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-128-CBC,00"}}
	_, body, _ := strings.Cut(string(pem.EncodeToMemory(openssh)), "\n")
	return map[string]string{
		"age": identity.String(), "OpenSSH": string(pem.EncodeToMemory(openssh)), "RSA": string(pem.EncodeToMemory(old)),
		"RSA, encrypted": string(pem.EncodeToMemory(sealed)), "a body alone": strings.Split(body, "-----END")[0],
	}
}

// TestSecretsAreNotShown pastes secret keys where public ones belong, and everywhere else. What the policy is refused with goes to journals: it
// must hold nothing of them, and say what has happened. The control is the same complaint about what is no secret, which is quoted.
func TestSecretsAreNotShown(t *testing.T) {
	escaped := func(key string) string { return `"` + strings.ReplaceAll(strings.TrimSpace(key), "\n", `\n`) + `"` }
	listed := func(key string) string {
		return "\n\"" + strings.ReplaceAll(strings.TrimSpace(key), "\n", "\",\n\"") + "\"\n"
	}
	places := map[string]func(string) string{
		"keys":       func(key string) string { return "principal \"x\" {\n  keys = [" + escaped(key) + "]\n}\n" },
		"lines":      func(key string) string { return "principal \"x\" {\n  keys = [" + listed(key) + "]\n}\n" },
		"recipients": func(key string) string { return "recordings {\n  recipients = [" + escaped(key) + "]\n}\n" },
		"label":      func(key string) string { return "permit " + escaped(key) + " {\n  when = nothing\n}\n" },
		"word":       func(key string) string { return "permit \"x\" {\n  when = target.repo == " + escaped(key) + "\n}\n" },
		"bare":       func(key string) string { return "principal \"x\" {\n  keys = [\n" + key + "\n]\n}\n" },
		"heredoc":    func(key string) string { return "principal \"x\" {\n  keys = [<<E\n" + key + "\nE\n]\n}\n" },
		"agent":      func(key string) string { return "agent \"x\" {\n  env = [" + escaped(key) + "]\n}\n" },
		"reason": func(key string) string {
			return "forbid \"x\" {\n  when = op == \"kill\" && !(op == \"exec\")\n  reason = " + escaped(key+"${nothing}") + "\n}\n"
		},
	}
	for form, key := range secretKeys(t) {
		for place, in := range places {
			text := in(key)
			_, err := policy.Load(readFile(t, "common.hcl"), policy.Text{Name: "pasted.hcl", Text: []byte(text)})
			var wrong *policy.LoadError
			if !errors.As(err, &wrong) {
				t.Errorf("%s, %s: it loads", form, place)
				continue
			}
			said := err.Error() + fmt.Sprintf("%+v", wrong.Problems())
			if run := shared(said, key); run != "" {
				t.Errorf("%s, %s: %q is shown in\n%s", form, place, run, said)
			}
			if !strings.Contains(said, "It is exposed now and has to be replaced") {
				t.Errorf("%s, %s: nobody is told\n%s", form, place, said)
			}
		}
	}
	p := load(t, "# "+secretKeys(t)["age"]+"\n")
	if notes := p.Summary().Notes; len(notes) != 1 || notes[0].Line != 1 || !strings.Contains(notes[0].Detail, "exposed") {
		t.Errorf("in a comment: %+v", notes)
	}
	const harmless = "harmless-QyNTUxOQAAACBb1"
	for place, in := range places {
		_, err := policy.Load(readFile(t, "common.hcl"), policy.Text{Name: "pasted.hcl", Text: []byte(in(harmless))})
		if err == nil || place != "label" && place != "heredoc" && !strings.Contains(err.Error(), harmless) || strings.Contains(err.Error(), "exposed") {
			t.Errorf("control, %s: %v", place, err)
		}
	}
}

// shared finds twelve letters of a key's secret part in what is said.
func shared(said, key string) string {
	const run = 12
	for line := range strings.Lines(key) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "-----") || strings.Contains(line, ": ") {
			continue
		}
		line = strings.TrimPrefix(line, "AGE-SECRET-KEY-1")
		for i := 0; i+run <= len(line); i++ {
			if strings.Contains(said, line[i:i+run]) {
				return line[i : i+run]
			}
		}
	}
	return ""
}

// A redaction speaks of secret keys and holds none: what is wrong with it is shown.
func TestARedactionOfKeysIsShown(t *testing.T) {
	for _, pattern := range []string{`-----BEGIN OPENSSH PRIVATE KEY-----`, `AGE-SECRET-KEY-1[0-9A-Z]+`} {
		text := fmt.Sprintf("redact \"keys\" {\n  pattern = %q\n  patern = \"x\"\n}\n", pattern)
		_, err := policy.Load(readFile(t, "common.hcl"), policy.Text{Name: "redact.hcl", Text: []byte(text)})
		if err == nil || !strings.Contains(err.Error(), "patern = ") || strings.Contains(err.Error(), "exposed") {
			t.Errorf("%s: %v", pattern, err)
		}
	}
}
