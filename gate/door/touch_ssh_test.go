package door_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"forkgate/gate/door"
	"forkgate/gate/door/doortest"
	"forkgate/gate/provenance/presence"
	"forkgate/tests/authenticator"
	"forkgate/tests/keys"
	"forkgate/tests/need"
)

// What stock clients do when they are asked for a touch.
func TestStockClientsTouch(t *testing.T) {
	need.Tools(t, "ssh", "scp", "sftp")
	a := authenticator.New(t, nil)
	p := open(t, func(w *doortest.Warden, _ *door.Config) { w.Asks, w.Single = true, true })
	p.warden.Know(p.certify())
	private := filepath.Join(p.dir, "sk")
	a.KeyGen(private, "ed25519-sk")
	key := publicKey(t, private+".pub")
	p.warden.KnowTouch(key)
	// The certificate first, as an attestor's would be; the plain key that lies beside it would open the door by itself.
	client := func(program string, args ...string) *exec.Cmd {
		c := p.ssh(program, append([]string{"-o", "User=demo", "-o", "SecurityKeyProvider=" + a.Provider, "-o", "PubkeyAcceptedAlgorithms=ssh-ed25519-cert-v01@openssh.com,sk-ssh-ed25519@openssh.com"}, args...)...)
		c.Env = append(c.Environ(), a.Env()...)
		return c
	}
	withKey := []string{"-o", "IdentityFile=" + private}
	// Seven keys that come before, as those of an ssh-agent do, and after the certificate once more.
	full := []string{"-l", "demo", "-o", "SecurityKeyProvider=" + a.Provider,
		"-o", "PubkeyAcceptedAlgorithms=ssh-ed25519-cert-v01@openssh.com,sk-ssh-ed25519@openssh.com,ecdsa-sha2-nistp256"}
	for i := range 7 {
		other := filepath.Join(p.dir, fmt.Sprint("other", i))
		a.KeyGen(other, "ecdsa")
		full = append(full, "-o", "IdentityFile="+other)
	}
	crowded := p.ssh("ssh", append(append(full, withKey...), "host", "echo in")...)
	crowded.Env = append(crowded.Environ(), a.Env()...)
	for name, c := range map[string]*exec.Cmd{
		"ssh with seven keys more": crowded,
		"ssh":                      client("ssh", append(withKey, "host", "echo in")...),
		"scp":                      client("scp", append(withKey, "-O", "host:/etc/hostname", t.TempDir())...),
		"sftp":                     client("sftp", append(withKey, "-b", "/dev/null", "host")...),
	} {
		before := len(p.warden.Seen().Touched)
		if got := run(t, c, ""); got.Code != 0 {
			t.Errorf("%s: %+v", name, got)
		}
		seen := p.warden.Seen()
		if len(seen.Touched) != before+1 {
			t.Errorf("%s: %d touches", name, len(seen.Touched)-before)
			continue
		}
		who, touch := seen.Asserted[len(seen.Asserted)-1], seen.Touched[before]
		if _, err := presence.VerifyUserauth(key, who.SessionID, who.User, touch.Signature); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Without the key: in without a touch, and told so, unless the client may not be asked anything.
	before := len(p.warden.Seen().Touched)
	if got := run(t, client("ssh", "-o", "BatchMode=no", "-o", "LogLevel=INFO", "host", "echo in"), ""); got.Code != 0 || got.Stdout != "in\n" || !strings.Contains(got.Stderr, "no security key answered") {
		t.Errorf("without the key: %+v", got)
	}
	if got := run(t, client("ssh", "host", "echo in"), ""); got.Code != 255 || !strings.Contains(got.Stderr, "Permission denied") {
		t.Errorf("without the key, in BatchMode: %+v", got)
	}
	// A key that nobody touches lets nobody in, not even without it.
	a.Claim(keys.Verified)
	if got := run(t, client("ssh", append(withKey, "-o", "BatchMode=no", "host", "echo in")...), ""); got.Code != 255 || got.Stdout != "" {
		t.Errorf("untouched: %+v", got)
	}
	if n := len(p.warden.Seen().Touched); n != before {
		t.Errorf("%d touches of nobody", n-before)
	}
}

func publicKey(t *testing.T, path string) ssh.PublicKey {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey(text)
	if err != nil {
		t.Fatal(err)
	}
	return key
}
