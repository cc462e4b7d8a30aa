package presence

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"forkgate/gate"
	"forkgate/tests/keys"
)

var noon = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

func challenge() Challenge {
	return Challenge{
		Host: "db1.example.org", Caller: "alice-agents", Repo: "shop", Op: gate.OpExec, Command: "make deploy", Env: []string{"EDITOR=vi", "LANG=C"},
		Uses: 2, Lasts: 15 * time.Minute,
		Expires: noon.Add(15 * time.Minute), Nonce: "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
	}
}

const text = `forkgate challenge 2
host db1.example.org
caller alice-agents
kind agent
repo shop
op exec make deploy
env EDITOR=vi
env LANG=C
sessions 2
lasts 15m
expires 2026-11-26T12:15:00Z
nonce ABCDEFGHIJKLMNOPQRSTUVWXYZ
`

func TestTheTextOfAChallenge(t *testing.T) {
	got, err := challenge().Text()
	if err != nil || string(got) != text {
		t.Fatalf("%v\n%s", err, got)
	}
	c := challenge()
	c.Nonce = NewNonce()
	if _, err := c.Text(); err != nil {
		t.Errorf("a nonce of ours: %v", err)
	}
}

func TestWhatIsNoChallenge(t *testing.T) {
	for name, spoil := range map[string]func(*Challenge){
		"nothing":           func(c *Challenge) { *c = Challenge{} },
		"no host":           func(c *Challenge) { c.Host = "" },
		"two lines of host": func(c *Challenge) { c.Host = "a\ncaller root" },
		"no caller":         func(c *Challenge) { c.Caller = "" },
		"a caller with op":  func(c *Challenge) { c.Caller = "x\nop shell" },
		"no op":             func(c *Challenge) { c.Op = "" },
		"an unknown op":     func(c *Challenge) { c.Op = "anything" },
		"an op of no work":  func(c *Challenge) { c.Op, c.Command = gate.OpRemove, "" },
		"exec of nothing":   func(c *Challenge) { c.Command = "" },
		"a shell of some":   func(c *Challenge) { c.Op = gate.OpShell },
		"two lines of op":   func(c *Challenge) { c.Command = "true\nsessions 1" },
		"what terminals do": func(c *Challenge) { c.Command = "true\x1b[2K" },
		"what reads alike":  func(c *Challenge) { c.Command = "c\u0430t" },
		"too much to read":  func(c *Challenge) { c.Command = strings.Repeat("x", MaxWork) },
		"no variable":       func(c *Challenge) { c.Env = []string{""} },
		"lines of variable": func(c *Challenge) { c.Env = []string{"A=b\nop shell"} },
		"no session":        func(c *Challenge) { c.Uses = 0 },
		"no time":           func(c *Challenge) { c.Lasts = 0 },
		"no repo":           func(c *Challenge) { c.Repo = "" },
		"every repo":        func(c *Challenge) { c.Repo = "*" },
		"a fresh fork":      func(c *Challenge) { c.Repo = "shop:" },
		"not canonical":     func(c *Challenge) { c.Repo = "shop+try" },
		"no expiry":         func(c *Challenge) { c.Expires = time.Time{} },
		"half a second":     func(c *Challenge) { c.Expires = c.Expires.Add(time.Second / 2) },
		"no nonce":          func(c *Challenge) { c.Nonce = "" },
		"a short nonce":     func(c *Challenge) { c.Nonce = "A" },
		"a guessable nonce": func(c *Challenge) { c.Nonce = strings.Repeat(" ", 26) },
	} {
		c := challenge()
		spoil(&c)
		if got, err := c.Text(); !errors.Is(err, ErrChallenge) {
			t.Errorf("%s: %v, %q", name, err, got)
		}
		if _, err := Verify(c, nil, noon); !errors.Is(err, ErrChallenge) {
			t.Errorf("%s: verified, or refused for something else: %v", name, err)
		}
	}
}

func TestVerify(t *testing.T) {
	for name, key := range map[string]*keys.SecurityKey{"ed25519": keys.NewSecurityKey(t), "ecdsa": keys.NewSecurityKeyECDSA(t)} {
		t.Run(name, func(t *testing.T) {
			for _, flags := range []byte{keys.Touched, keys.Touched | keys.Verified} {
				key.Flags = flags
				proof, err := Verify(challenge(), keys.SSHSIG(t, key, Namespace, []byte(text)), noon)
				if err != nil || !proof.Touched || proof.Verified != (flags&keys.Verified != 0) || !bytes.Equal(proof.Key.Marshal(), key.PublicKey().Marshal()) {
					t.Errorf("flags %#x: %v, %+v", flags, err, proof)
				}
			}
			for _, flags := range []byte{0, keys.Verified, 0xfe} {
				key.Flags = flags
				if proof, err := Verify(challenge(), keys.SSHSIG(t, key, Namespace, []byte(text)), noon); !errors.Is(err, ErrUntouched) || proof != (Proof{}) {
					t.Errorf("flags %#x: %v, %+v", flags, err, proof)
				}
			}
		})
	}
}

// What an approver has signed is good for one thing, and nothing that anybody has signed for something else is.
func TestWhatIsNotSigned(t *testing.T) {
	key := keys.NewSecurityKey(t)
	key.Flags = keys.Touched | keys.Verified
	good := keys.SSHSIG(t, key, Namespace, []byte(text))
	if _, err := Verify(challenge(), good, noon); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Challenge){
		"host":     func(c *Challenge) { c.Host = "db2.example.org" },
		"caller":   func(c *Challenge) { c.Caller = "mallory" },
		"kind":     func(c *Challenge) { c.Kind = gate.Human },
		"op":       func(c *Challenge) { c.Op, c.Command = gate.OpShell, "" },
		"command":  func(c *Challenge) { c.Command = "make  destroy" },
		"variable": func(c *Challenge) { c.Env = []string{"EDITOR=vi", "LANG=C", "VISUAL=sh"} },
		"number":   func(c *Challenge) { c.Uses = 3 },
		"duration": func(c *Challenge) { c.Lasts = time.Hour },
		"repo":     func(c *Challenge) { c.Repo = "payroll" },
		"expiry":   func(c *Challenge) { c.Expires = c.Expires.Add(time.Hour) },
		"nonce":    func(c *Challenge) { c.Nonce = NewNonce() },
	} {
		c := challenge()
		change(&c)
		if _, err := Verify(c, good, noon); !errors.Is(err, ErrSignature) {
			t.Errorf("another %s: %v", name, err)
		}
	}
	if _, err := Verify(challenge(), good, challenge().Expires); !errors.Is(err, ErrExpired) {
		t.Errorf("too late: %v", err)
	}
	plain := keys.New(t)
	if _, err := Verify(challenge(), keys.SSHSIG(t, plain, Namespace, []byte(text)), noon); !errors.Is(err, ErrNoSecurityKey) {
		t.Errorf("a key without a touch: %v", err)
	}
	for name, armored := range map[string][]byte{
		"another namespace": keys.SSHSIG(t, key, "git", []byte(text)),
		"another key's":     keys.SSHSIG(t, forger{keys.NewSecurityKey(t), key.PublicKey()}, Namespace, []byte(text)),
		"nothing":           nil,
		"no armor":          []byte("SSHSIG"),
		"a line before":     append([]byte("x\n"), good...),
		"a line after":      append(bytes.Clone(good), "x\n"...),
		"half":              good[:len(good)/2],
		"too long":          append(bytes.Repeat([]byte(" "), maxArmored), good...),
	} {
		if proof, err := Verify(challenge(), armored, noon); !errors.Is(err, ErrSignature) || proof != (Proof{}) {
			t.Errorf("%s: %v, %+v", name, err, proof)
		}
	}
}

// forger shows one key and signs with another.
type forger struct {
	ssh.Signer
	shows ssh.PublicKey
}

func (f forger) PublicKey() ssh.PublicKey { return f.shows }

// Whatever is taken is a security key's, and is taken for this challenge alone.
func FuzzVerify(f *testing.F) {
	key := keys.NewSecurityKey(f)
	f.Add(keys.SSHSIG(f, key, Namespace, []byte(text)))
	f.Add(keys.SSHSIG(f, keys.NewSecurityKeyECDSA(f), Namespace, []byte(text)))
	f.Add(keys.SSHSIG(f, keys.New(f), Namespace, []byte(text)))
	other := challenge()
	other.Nonce = NewNonce()
	f.Fuzz(func(t *testing.T, armored []byte) {
		proof, err := Verify(challenge(), armored, noon)
		if (err == nil) != proof.Touched || err == nil && !IsSecurityKey(proof.Key) {
			t.Errorf("%v, %+v", err, proof)
		}
		if proof, err := Verify(other, armored, noon); err == nil {
			t.Errorf("another challenge: %+v", proof)
		}
	})
}
