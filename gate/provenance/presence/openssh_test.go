package presence_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"forkgate/gate"
	"forkgate/gate/provenance/presence"
	"forkgate/tests/authenticator"
	"forkgate/tests/keys"
)

// What the real ssh-keygen writes is what is read.
func TestOpenSSH(t *testing.T) {
	maker := keys.NewMaker(t)
	a, dir := authenticator.New(t, maker), t.TempDir()
	asked := []byte("a challenge of the operator's, some bytes")
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	challengeFile := write("challenge", asked)
	c := presence.Challenge{
		Host: "db1", Caller: "alice-agents", Repo: "shop", Op: gate.OpShell, Uses: 1, Lasts: time.Minute, Expires: time.Now().Add(time.Hour).Truncate(time.Second), Nonce: presence.NewNonce(),
	}
	text, err := c.Text()
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"ed25519-sk", "ecdsa-sk"} {
		t.Run(kind, func(t *testing.T) {
			a.Claim(keys.Touched)
			private, attested := filepath.Join(dir, kind), filepath.Join(dir, kind+".attestation")
			a.KeyGen(private, kind, "-O", "challenge="+challengeFile, "-O", "write-attestation="+attested)
			key, file := readKey(t, private+".pub"), read(t, attested)
			if made, err := presence.VerifyAttestation(key, file, asked, maker.Roots(), time.Now()); err != nil || made.Model == "" {
				t.Errorf("its attestation: %v, %+v", err, made)
			}
			if _, err := presence.VerifyAttestation(key, file, []byte("another"), maker.Roots(), time.Now()); err == nil {
				t.Error("it attests for any challenge")
			}
			for flags, want := range map[byte]presence.Proof{
				0: {}, keys.Verified: {}, keys.Touched: {Key: key, Touched: true}, keys.Touched | keys.Verified: {Key: key, Touched: true, Verified: true},
			} {
				a.Claim(flags)
				armored := a.Run(string(text), "ssh-keygen", "-q", "-Y", "sign", "-n", presence.Namespace, "-f", private)
				proof, err := presence.Verify(c, []byte(armored), time.Now())
				if (err == nil) != want.Touched || proof.Touched != want.Touched || proof.Verified != want.Verified {
					t.Errorf("flags %#x: %v, %+v", flags, err, proof)
				}
			}
		})
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func readKey(t *testing.T, path string) ssh.PublicKey {
	t.Helper()
	key, _, _, _, err := ssh.ParseAuthorizedKey(read(t, path))
	if err != nil {
		t.Fatal(err)
	}
	return key
}
