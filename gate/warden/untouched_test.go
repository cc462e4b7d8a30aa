package warden

import (
	"fmt"
	"strings"
	"testing"

	"forkgate/gate"
	"forkgate/gate/warden/client"
	"forkgate/tests/keys"
)

// What is missing is said to who has typed all that there is to type, and not that once more.
func TestAMissingTouchIsToldOf(t *testing.T) {
	g := newGranting(t)
	g.text += fmt.Sprintf("security_key %q {\n  principal = %q\n  key = %q\n  presence = true\n}\n", "hers", "carol", line(keys.NewSecurityKey(t).PublicKey()))
	if err := g.rules.reload(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		at        string
		principal string
		key       string
		attested  *attestation
		says      string
	}{
		{"gate", "carol", "", &attestation{}, "ssh touch@host approve ID CODE asks for one, ssh gate@host grants ID shows CODE"},
		{"touch", "carol", "", &attestation{}, "ssh needs the key's file"},
		{"touch", "carol", "hers", &attestation{}, "the operator enrolls one"},
		{"touch", "dave", "", &attestation{}, "no security key of dave is known"},
		{"touch", "carol", "", nil, "beside an attestor's certificate alone"},
	} {
		w := &word{request: &request{connection: &connection{Warden: g.Warden, identity: &identity{user: c.at, attested: c.attested}}}}
		no := w.untouched(gate.Caller{Principal: c.principal, Kind: gate.Human, Class: gate.ClassAttested, SecurityKey: c.key}, "ID")
		if !strings.Contains(no.Hint, c.says) || c.at == "touch" && strings.Contains(no.Hint, "touch@host approve") {
			t.Errorf("%+v: %q", c, no.Hint)
		}
		if marked := strings.Contains(no.Reason, "hers, which was touched, is only marked"); marked != (c.key != "") {
			t.Errorf("%+v: %q", c, no.Reason)
		}
		if answered := !strings.Contains(no.Reason, "none answered"); answered != !strings.HasPrefix(no.Hint, "ssh needs") {
			t.Errorf("%+v: %q", c, no.Reason)
		}
	}
}

// What stands for a command that was approved is not to be told from the variables beside it by how it ends.
func TestVariablesAreToldFromACommand(t *testing.T) {
	g := newGranting(t)
	a := g.asks(t, client.OpenRequest{Op: "exec", Command: []byte("make deploy, with LANG=C"), Env: say("EDITOR=vi")})
	page, err := g.word(t, g.carol, "approve", a.id, g.code(t, a.id))
	if err != nil || !strings.Contains(page, ": exec make deploy, with LANG=C\nwith EDITOR=vi\n") {
		t.Errorf("%v: %q", err, page)
	}
	if err := <-a.result; err != nil {
		t.Error(err)
	}
	g.logged(t, ": with EDITOR=vi: exec make deploy, with LANG=C")
}
