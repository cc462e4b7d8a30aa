package presence

import (
	"crypto/rand"
	"errors"
	"testing"

	"golang.org/x/crypto/ssh"

	"forkgate/tests/keys"
)

func TestUserauth(t *testing.T) {
	for name, key := range map[string]*keys.SecurityKey{"ed25519": keys.NewSecurityKey(t), "ecdsa": keys.NewSecurityKeyECDSA(t)} {
		t.Run(name, func(t *testing.T) {
			good := keys.Userauth(t, key, []byte("session"), "shop")
			if proof, err := VerifyUserauth(key.PublicKey(), []byte("session"), []byte("shop"), good); err != nil || !proof.Touched || proof.Verified {
				t.Errorf("%v, %+v", err, proof)
			}
			other := keys.NewSecurityKey(t).PublicKey()
			for what, try := range map[string]struct {
				key           ssh.PublicKey
				session, user string
				signature     []byte
			}{
				"another connection": {key.PublicKey(), "another", "shop", good},
				"another user":       {key.PublicKey(), "session", "gate", good},
				"another key":        {other, "session", "shop", good},
				"no signature":       {key.PublicKey(), "session", "shop", nil},
				"half of it":         {key.PublicKey(), "session", "shop", good[:len(good)/2]},
				"a flag more":        {key.PublicKey(), "session", "shop", verified(good)},
				"more than it":       {key.PublicKey(), "session", "shop", append(good[:len(good):len(good)], 0)},
			} {
				if proof, err := VerifyUserauth(try.key, []byte(try.session), []byte(try.user), try.signature); !errors.Is(err, ErrSignature) || proof != (Proof{}) {
					t.Errorf("%s: %v, %+v", what, err, proof)
				}
			}
			key.Flags = 0
			if _, err := VerifyUserauth(key.PublicKey(), []byte("session"), []byte("shop"), keys.Userauth(t, key, []byte("session"), "shop")); !errors.Is(err, ErrUntouched) {
				t.Errorf("untouched: %v", err)
			}
		})
	}
}

// verified sets a flag that the key has not signed.
func verified(signature []byte) []byte {
	changed := append([]byte{}, signature...)
	changed[len(changed)-5] |= flagVerified
	return changed
}

// A certificate may say that its key need not be touched, so none counts.
func TestACertificateIsNoSecurityKey(t *testing.T) {
	key, ca := keys.NewSecurityKey(t), keys.New(t)
	cert := &ssh.Certificate{
		Key: key.PublicKey(), CertType: ssh.UserCert, ValidBefore: ssh.CertTimeInfinity,
		Permissions: ssh.Permissions{Extensions: map[string]string{"no-touch-required": ""}},
	}
	if err := cert.SignCert(rand.Reader, ca); err != nil {
		t.Fatal(err)
	}
	if _, err := VerifyUserauth(cert, []byte("session"), []byte("shop"), keys.Userauth(t, key, []byte("session"), "shop")); !errors.Is(err, ErrNoSecurityKey) {
		t.Errorf("%v", err)
	}
}
