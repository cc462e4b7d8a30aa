package door_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/crypto/ssh"

	"forkgate/gate"
	"forkgate/gate/door"
	"forkgate/gate/door/doortest"
	"forkgate/gate/provenance/presence"
	"forkgate/gate/warden/client"
	"forkgate/tests/keys"
	"forkgate/tests/need"
)

// asking is a door whose warden wants a touch beside the certificate that comes along.
func asking(t *testing.T, change ...func(*doortest.Warden, *door.Config)) (p *place, certified ssh.Signer, key *keys.SecurityKey) {
	t.Helper()
	p = open(t, append(change, func(w *doortest.Warden, _ *door.Config) { w.Asks, w.Single = true, true })...)
	cert := p.certify()
	p.warden.Know(cert)
	certified, err := ssh.NewCertSigner(cert, p.key)
	if err != nil {
		t.Fatal(err)
	}
	key = keys.NewSecurityKey(t)
	p.warden.KnowTouch(key.PublicKey())
	return p, certified, key
}

// come authenticates by one key after the other.
func (p *place) come(config ssh.Config, question ssh.KeyboardInteractiveChallenge, signers ...ssh.Signer) (*ssh.Client, error) {
	next := 0
	one := func() ([]ssh.Signer, error) {
		if next++; next > len(signers) {
			return nil, errors.New("no key left")
		}
		return signers[next-1 : next], nil
	}
	auth := []ssh.AuthMethod{ssh.RetryableAuthMethod(ssh.PublicKeysCallback(one), len(signers))}
	if question != nil {
		auth = append(auth, ssh.KeyboardInteractive(question))
	}
	c, err := ssh.Dial("tcp", p.addr, &ssh.ClientConfig{
		Config: config, User: "demo", Auth: auth, HostKeyCallback: ssh.FixedHostKey(p.warden.HostKey.PublicKey()),
	})
	if err == nil {
		p.t.Cleanup(func() { c.Close() })
	}
	return c, err
}

// The warden gets the signature as the key made it, whatever the packets are encrypted with.
func TestATouchIsHandedOver(t *testing.T) {
	for _, cipher := range []string{ssh.CipherAES128GCM, ssh.CipherAES256CTR} {
		for _, flags := range []byte{keys.Touched, keys.Touched | keys.Verified} {
			p, certified, key := asking(t)
			key.Flags = flags
			c, err := p.come(ssh.Config{Ciphers: []string{cipher}}, nil, certified, key)
			if err != nil {
				t.Fatalf("%s: %v", cipher, err)
			}
			if _, err := c.NewSession(); err != nil {
				t.Errorf("no session: %v", err)
			}
			seen := p.warden.Seen()
			if len(seen.Touched) != 1 || !bytes.Equal(seen.Touched[0].Key, key.PublicKey().Marshal()) || len(seen.Asserted) != 1 {
				t.Fatalf("handed over: %+v", seen.Touched)
			}
			proof, err := presence.VerifyUserauth(key.PublicKey(), seen.Asserted[0].SessionID, []byte("demo"), seen.Touched[0].Signature)
			if err != nil || proof.Verified != (flags&keys.Verified != 0) {
				t.Errorf("%s, flags %#x: %v, %+v", cipher, flags, err, proof)
			}
			if !bytes.Equal(seen.Asserted[0].Key, certified.PublicKey().Marshal()) {
				t.Error("who speaks is not who had the certificate")
			}
		}
	}
}

// A connection without the certificate is not asked, and one with it is nobody's before it has answered.
func TestTheCertificateComesFirst(t *testing.T) {
	p, certified, key := asking(t)
	if _, err := p.come(ssh.Config{}, nil, key, certified); err == nil {
		t.Error("a touch stands for the certificate")
	}
	if _, err := p.come(ssh.Config{}, nil, certified); err == nil {
		t.Error("the certificate is enough")
	}
	if _, err := p.come(ssh.Config{}, nil, certified, certified); err == nil {
		t.Error("the certificate is a touch as well")
	}
	if _, err := p.come(ssh.Config{}, nil, certified, p.key); err == nil {
		t.Error("a key without a contact is a touch")
	}
	if seen := p.warden.Seen(); len(seen.Touched)+len(seen.Opened) != 0 {
		t.Errorf("the warden was told %+v", seen)
	}
}

func TestTouchesThatTheDoorRefuses(t *testing.T) {
	t.Run("of an unknown key", func(t *testing.T) {
		p, certified, _ := asking(t)
		if _, err := p.come(ssh.Config{}, nil, certified, keys.NewSecurityKey(t)); err == nil || len(p.warden.Seen().Touched) != 0 {
			t.Errorf("let in: %v", err)
		}
	})
	t.Run("without a touch", func(t *testing.T) {
		p, certified, key := asking(t)
		key.Flags = 0
		if _, err := p.come(ssh.Config{}, nil, certified, key); err == nil || len(p.warden.Seen().Touched) != 0 {
			t.Errorf("let in: %v", err)
		}
	})
	// The library keeps nothing of the bytes behind an ECDSA key.
	t.Run("whose signature is not to be had", func(t *testing.T) {
		p, certified, _ := asking(t)
		old := keys.NewSecurityKeyECDSA(t)
		p.warden.KnowTouch(old.PublicKey())
		if _, err := p.come(ssh.Config{}, nil, certified, old); err == nil || len(p.warden.Seen().Touched) != 0 {
			t.Errorf("let in: %v", err)
		}
	})
	t.Run("that the warden refuses", func(t *testing.T) {
		refuse := func(client.TouchRequest) error { return &gate.Refusal{Reason: "the true reason"} }
		p, certified, key := asking(t, func(w *doortest.Warden, _ *door.Config) { w.Touch = refuse })
		_, err := p.come(ssh.Config{}, nil, certified, key)
		if err == nil || strings.Contains(err.Error(), "true") || len(p.warden.Seen().Touched) != 1 {
			t.Errorf("let in, or told why: %v", err)
		}
	})
}

// Who has no security key at hand comes in without, and is asked nothing.
func TestWithoutATouch(t *testing.T) {
	p, certified, _ := asking(t)
	var said string
	answer := func(_, instruction string, questions []string, _ []bool) ([]string, error) {
		said = instruction
		if len(questions) > 0 {
			t.Errorf("asked %q", questions)
		}
		return nil, nil
	}
	c, err := p.come(ssh.Config{}, answer, certified)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.NewSession(); err != nil {
		t.Errorf("no session: %v", err)
	}
	if seen := p.warden.Seen(); len(seen.Touched) != 0 || len(seen.Asserted) != 1 || !strings.Contains(said, "no security key answered") {
		t.Errorf("said %q; the warden was told %+v", said, seen)
	}
	// Nobody comes in that way who has not shown a certificate.
	if _, err := p.come(ssh.Config{}, answer); err == nil {
		t.Error("the empty question lets in by itself")
	}
}

// Who may have a key that signs a text is asked for it. What comes back is the warden's to judge; nothing is an answer as well.
func TestATextIsSigned(t *testing.T) {
	const command = "printf %s 'text' | ssh-keygen -Y sign"
	for _, test := range []struct {
		name, answer string
		refuse       error
		handed       string
		notice       string
	}{
		{"signed", " U1NIU0lH\n", nil, "U1NIU0lH", ""},
		{"nothing", "  ", nil, "", "no security key answered"},
		{"not accepted", "U1NIU0lI", &gate.Refusal{Reason: "the true reason"}, "U1NIU0lI", "what was signed is not accepted"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, certified, _ := asking(t, func(w *doortest.Warden, _ *door.Config) {
				w.Sign, w.Touch = command, func(client.TouchRequest) error { return test.refuse }
			})
			var asked, said []string
			answer := func(_, instruction string, questions []string, echos []bool) (answers []string, _ error) {
				asked, said = append(asked, questions...), append(said, instruction)
				for range questions {
					answers = append(answers, test.answer)
				}
				return answers, nil
			}
			c, err := p.come(ssh.Config{}, answer, certified)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.NewSession(); err != nil {
				t.Errorf("no session: %v", err)
			}
			if len(asked) != 1 || !strings.Contains(asked[0], "\n  "+command+"\n") {
				t.Errorf("asked %q", asked)
			}
			var handed string
			seen := p.warden.Seen()
			for _, q := range seen.Touched {
				handed += q.Signed
			}
			notice := strings.Join(said, "")
			if handed != test.handed || len(seen.Asserted) != 1 || !strings.Contains(notice, test.notice) || (test.notice == "") != (notice == "") || strings.Contains(notice, "true") {
				t.Errorf("said %q; handed over %q", notice, handed)
			}
		})
	}
}

// A connection has one try, by whichever way: after a touch that was refused nobody signs a text.
func TestOneTry(t *testing.T) {
	refuse := func(client.TouchRequest) error { return &gate.Refusal{Reason: "the true reason"} }
	p, certified, key := asking(t, func(w *doortest.Warden, _ *door.Config) { w.Sign, w.Touch = "text", refuse })
	answer := func(_, _ string, questions []string, _ []bool) ([]string, error) {
		if len(questions) > 0 {
			t.Errorf("asked %q", questions)
		}
		return nil, nil
	}
	if _, err := p.come(ssh.Config{}, answer, certified, key); err != nil || len(p.warden.Seen().Touched) != 1 {
		t.Errorf("%v, %+v", err, p.warden.Seen().Touched)
	}
}

// A bare security key that signs without being touched is refused, and the warden hears of it.
func TestABareKeyHasToBeTouched(t *testing.T) {
	for name, key := range map[string]*keys.SecurityKey{"ed25519": keys.NewSecurityKey(t), "ecdsa": keys.NewSecurityKeyECDSA(t)} {
		t.Run(name, func(t *testing.T) {
			p := open(t)
			p.warden.Know(key.PublicKey())
			key.Flags = keys.Verified
			if _, err := p.come(ssh.Config{}, nil, key); err == nil {
				t.Error("let in")
			}
			need.Eventually(t, "the warden hears of it", func() bool { return len(p.warden.Seen().Without) == 1 })
			if seen := p.warden.Seen(); !bytes.Equal(seen.Without[0].Key, key.PublicKey().Marshal()) || len(seen.Asserted) != 0 {
				t.Errorf("the warden was told %+v", seen)
			}
			key.Flags = keys.Touched
			if _, err := p.come(ssh.Config{}, nil, key); err != nil || len(p.warden.Seen().Without) != 1 {
				t.Errorf("the control, touched: %v", err)
			}
		})
	}
}

// Whose ssh offers many other keys, of an ssh-agent say, gets to the one that counts: more of them than sshd takes, and not as many as
// anybody likes. What fails otherwise is counted as ever.
func TestManyKeysAreOffered(t *testing.T) {
	others := func(n int) (signers []ssh.Signer) {
		for range n {
			signers = append(signers, keys.New(t))
		}
		return signers
	}
	p, certified, key := asking(t)
	if _, err := p.come(ssh.Config{}, nil, slices.Concat(others(10), []ssh.Signer{certified}, others(10), []ssh.Signer{key})...); err != nil {
		t.Errorf("the twenty-second key: %v", err)
	}
	if _, err := p.come(ssh.Config{}, nil, slices.Concat(others(32), []ssh.Signer{certified, key})...); err == nil {
		t.Error("there is no end to it")
	}
	// A certificate that is refused is a failure.
	var tried atomic.Int32
	p, certified, _ = asking(t, func(w *doortest.Warden, _ *door.Config) {
		w.Refuse = func(client.AssertRequest) error { tried.Add(1); return &gate.Refusal{Reason: "no"} }
	})
	if _, err := p.come(ssh.Config{}, nil, slices.Repeat([]ssh.Signer{certified}, 20)...); err == nil || tried.Load() != 6 {
		t.Errorf("%d certificates were tried, %v", tried.Load(), err)
	}
}
