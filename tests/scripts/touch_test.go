package scripts_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/crypto/ssh"

	"forkgate/gate/provenance"
	"forkgate/tests/authenticator"
	"forkgate/tests/host"
	"forkgate/tests/keys"
)

// holder is who has security keys in the stories, and a workstation. It is the forge's uid 1001.
const holder = "holder"

// asHolder has a certificate speak for the holder.
func asHolder(s *provenance.Statement) { s.UID, s.Chain[0].UID = 1001, 1001 }

func forHolder(c *ssh.Certificate) { c.ValidPrincipals = []string{holder} }

// drawer is the holder's security keys: private halves in the host's directory, where stories have $KEYS.
type drawer struct{ *authenticator.Authenticator }

// newDrawer makes them with the real ssh-keygen. Policy marks one; one may sign in, as a key; the others nobody knows yet.
func newDrawer(t *testing.T, h *host.Host) *drawer {
	t.Helper()
	maker := keys.NewMaker(t)
	d := &drawer{authenticator.New(t, maker)}
	at := func(name string) string { return filepath.Join(h.Dir, name) }
	write(t, at("maker.pem"), string(maker.PEM()))
	write(t, at("another.pem"), string(keys.NewMaker(t).PEM()))
	write(t, at("challenge"), strings.Repeat("c", 32))
	lines := map[string]any{}
	for _, name := range []string{"enrolled", "marked", "bare", "unknown", "old"} {
		kind := "ed25519-sk"
		if name == "old" {
			kind = "ecdsa-sk"
		}
		d.KeyGen(at(holder+"-"+name), kind, "-O", "challenge="+at("challenge"), "-O", "write-attestation="+at(name+".attestation"))
		line, err := os.ReadFile(at(holder + "-" + name + ".pub"))
		if err != nil {
			t.Fatal(err)
		}
		lines[name] = strings.TrimSpace(string(line))
	}
	write(t, filepath.Join(h.Root(), "etc/forkgate/policy.d/holder.hcl"), fmt.Sprintf(`
principal %q {
  keys = [%q]
}
security_key "marked" {
  principal = %[1]q
  key       = %[3]q
  presence  = true
}
security_key "old" {
  principal = %[1]q
  key       = %[4]q
  presence  = true
}
forbid "vault-wants-a-touch" {
  when   = target.repo == "vault" && target.grand && contains(["shell", "exec"], op) && caller.kind == "human" && caller.class < 4
  reason = "${target.ref} wants a touch of a security key"
}
`, holder, lines["bare"], lines["marked"], lines["old"]))
	return d
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// env is what a story needs to have its keys touched: it writes $AUTHENTICATOR/flags to have them claim something else.
func (d *drawer) env(e *testscript.Env) error {
	own := filepath.Join(e.WorkDir, ".authenticator")
	e.Setenv("AUTHENTICATOR", own)
	e.Setenv("SK", d.Provider)
	return os.Mkdir(own, 0o700)
}
