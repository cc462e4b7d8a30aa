package presence

import (
	"bytes"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"testing"

	"golang.org/x/crypto/ssh"

	"forkgate/tests/keys"
)

func entering() Entering {
	return Entering{Host: "db1.example.org", Caller: "alice", User: "shop+try", SessionID: []byte("session")}
}

const enteringText = "alice to shop+try at db1.example.org by connection 3f3af1ecebbd1410ab417ec0d27bbfcb5d340e177ae159b59fc8626c2dfd9175"

func TestTheTextOfEntering(t *testing.T) {
	if got, err := entering().Text(); err != nil || got != enteringText {
		t.Fatalf("%v\n%s", err, got)
	}
}

// What is shown to be handed to a shell has nothing in it that a shell takes for more.
func TestWhatIsNoEntering(t *testing.T) {
	for name, spoil := range map[string]func(*Entering){
		"nothing":         func(e *Entering) { *e = Entering{} },
		"no host":         func(e *Entering) { e.Host = "" },
		"a quote":         func(e *Entering) { e.Host = "a'$(id)'" },
		"two lines":       func(e *Entering) { e.Host = "a\nb" },
		"no caller":       func(e *Entering) { e.Caller = "" },
		"a caller's room": func(e *Entering) { e.Caller = "a b" },
		"no user":         func(e *Entering) { e.User = "" },
		"a user's quote":  func(e *Entering) { e.User = "shop'" },
		"no connection":   func(e *Entering) { e.SessionID = nil },
	} {
		e := entering()
		spoil(&e)
		if text, err := e.Text(); !errors.Is(err, ErrChallenge) || text != "" {
			t.Errorf("%s: %v, %q", name, err, text)
		}
		if command, err := e.Command(); !errors.Is(err, ErrChallenge) || command != "" {
			t.Errorf("%s is a command: %v, %q", name, err, command)
		}
		if _, err := VerifyEntering(e, nil); !errors.Is(err, ErrChallenge) {
			t.Errorf("%s is verified: %v", name, err)
		}
	}
}

func TestVerifyEntering(t *testing.T) {
	for name, key := range map[string]*keys.SecurityKey{"ed25519": keys.NewSecurityKey(t), "ecdsa": keys.NewSecurityKeyECDSA(t)} {
		good := keys.SSHSIG(t, key, EnteringNamespace, []byte(enteringText))
		// As one line, which is what fits into an answer.
		block, _ := pem.Decode(good)
		line := base64.StdEncoding.EncodeToString(block.Bytes)
		if !IsSignature(line) || !IsSignature(string(good)) || IsSignature("U1NI") {
			t.Errorf("%s: what is a signature is not told", name)
		}
		for form, signature := range map[string][]byte{"armored": good, "one line": Armored(line), "Armored of armor": Armored(string(good))} {
			proof, err := VerifyEntering(entering(), signature)
			if err != nil || !proof.Touched || !bytes.Equal(proof.Key.Marshal(), key.PublicKey().Marshal()) {
				t.Errorf("%s, %s: %v, %+v", name, form, err, proof)
			}
		}
		other := entering()
		other.SessionID = []byte("another")
		if _, err := VerifyEntering(other, good); !errors.Is(err, ErrSignature) {
			t.Errorf("%s: another connection's: %v", name, err)
		}
		if _, err := VerifyEntering(entering(), keys.SSHSIG(t, key, Namespace, []byte(enteringText))); !errors.Is(err, ErrSignature) {
			t.Errorf("%s: one that approves lets in: %v", name, err)
		}
		key.Flags = 0
		if _, err := VerifyEntering(entering(), keys.SSHSIG(t, key, EnteringNamespace, []byte(enteringText))); !errors.Is(err, ErrUntouched) {
			t.Errorf("%s: untouched: %v", name, err)
		}
	}
	var plain ssh.Signer = keys.New(t)
	if _, err := VerifyEntering(entering(), keys.SSHSIG(t, plain, EnteringNamespace, []byte(enteringText))); !errors.Is(err, ErrNoSecurityKey) {
		t.Errorf("a key without a contact: %v", err)
	}
}
