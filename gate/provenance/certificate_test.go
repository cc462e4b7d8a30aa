package provenance

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"forkgate/tests/keys"
)

var noon = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

func testStatement() Statement {
	return Statement{
		Verdict: ByPerson, Reasons: []string{"unbroken to a login"}, UID: 1000,
		Chain:       []Link{{PID: 812, Start: 55210, UID: 1000, Name: "ssh"}, {PID: 700, Start: 41, UID: 1000, Name: "bash"}},
		Protections: Protections(),
	}
}

// spent is a Serials that remembers for ever.
type spent map[string]bool

func (s spent) Use(attestor string, serial uint64, _ time.Time) bool {
	key := fmt.Sprint(attestor, serial)
	fresh := !s[key]
	s[key] = true
	return fresh
}

// bench is a workstation and a gate that know each other.
type bench struct {
	ca         ssh.Signer
	attestors  []Attestor
	connection Connection
	serials    spent
}

func newBench(t testing.TB) *bench {
	ca := keys.New(t)
	return &bench{
		ca:         ca,
		attestors:  []Attestor{{Name: "laptop", Key: ca.PublicKey(), Principals: map[uint32]string{1000: "alice"}, Minimum: Protections()}},
		connection: Connection{SessionID: []byte("an exchange hash of 32 bytes ..."), HostKey: keys.New(t).PublicKey()},
		serials:    spent{},
	}
}

func (b *bench) mint(t testing.TB, s Statement) *ssh.Certificate {
	t.Helper()
	signer, err := Mint(rand.Reader, b.ca, "alice", s, b.connection, noon)
	if err != nil {
		t.Fatal(err)
	}
	return signer.PublicKey().(*ssh.Certificate)
}

func (b *bench) verify(c *ssh.Certificate, now time.Time) (Attested, error) {
	return Verify(c, b.attestors, b.connection, b.serials, now)
}

func TestAGoodCertificate(t *testing.T) {
	b := newBench(t)
	got, err := b.verify(b.mint(t, testStatement()), noon)
	if err != nil {
		t.Fatal(err)
	}
	if got.Attestor != "laptop" || got.Principal != "alice" || !got.Person() || got.Statement.UID != 1000 || len(got.Statement.Chain) != 2 {
		t.Errorf("got %+v", got)
	}
	if got.Statement.Session != hex.EncodeToString(b.connection.SessionID) {
		t.Errorf("bound to the session %s", got.Statement.Session)
	}
}

// Each row spoils one thing of a good certificate. resign signs what was changed again, with the attestor's own key.
func TestRefusals(t *testing.T) {
	cases := []struct {
		name   string
		spoil  func(b *bench, c *ssh.Certificate)
		resign bool
		now    time.Duration
		want   error
	}{
		{"replay", func(b *bench, c *ssh.Certificate) { b.serials.Use("laptop", c.Serial, noon) }, false, 0, ErrSerial},
		{"wrong session id", func(b *bench, _ *ssh.Certificate) { b.connection.SessionID = []byte("another") }, false, 0, ErrConnection},
		{"no session id", func(b *bench, _ *ssh.Certificate) { b.connection.SessionID = nil }, false, 0, ErrConnection},
		{"no host key", func(b *bench, _ *ssh.Certificate) { b.connection.HostKey = nil }, false, 0, ErrConnection},
		{"wrong host key", func(b *bench, _ *ssh.Certificate) { b.connection.HostKey = b.ca.PublicKey() }, false, 0, ErrConnection},
		{"expired", nil, false, Lifetime + MaxSkew, ErrValidity},
		{"not yet valid", nil, false, -MaxSkew - time.Second, ErrValidity},
		{"made to last", func(_ *bench, c *ssh.Certificate) { c.ValidBefore++ }, true, 0, ErrValidity},
		{"made to last for ever", func(_ *bench, c *ssh.Certificate) { c.ValidBefore = ssh.CertTimeInfinity }, true, 0, ErrValidity},
		{"ends before it begins", func(_ *bench, c *ssh.Certificate) { c.ValidAfter, c.ValidBefore = c.ValidBefore, c.ValidAfter }, true, 0, ErrValidity},
		{"unknown CA", func(b *bench, _ *ssh.Certificate) { b.attestors[0].Key = b.connection.HostKey }, false, 0, ErrUnknownCA},
		{"no attestor at all", func(b *bench, _ *ssh.Certificate) { b.attestors = nil }, false, 0, ErrUnknownCA},
		{"an attestor without a key", func(b *bench, _ *ssh.Certificate) { b.attestors[0].Key = nil }, false, 0, ErrUnknownCA},
		{"two principals", func(_ *bench, c *ssh.Certificate) { c.ValidPrincipals = []string{"alice", "bob"} }, true, 0, ErrPrincipal},
		{"no principals", func(_ *bench, c *ssh.Certificate) { c.ValidPrincipals = nil }, true, 0, ErrPrincipal},
		{"an empty principal", func(_ *bench, c *ssh.Certificate) { c.ValidPrincipals = []string{""} }, true, 0, ErrPrincipal},
		{"another's principal", func(_ *bench, c *ssh.Certificate) { c.ValidPrincipals = []string{"bob"} }, true, 0, ErrPrincipal},
		{"a uid that nobody is", func(b *bench, _ *ssh.Certificate) { b.attestors[0].Principals = map[uint32]string{0: "alice"} }, false, 0, ErrPrincipal},
		{"a host's certificate", func(_ *bench, c *ssh.Certificate) { c.CertType = ssh.HostCert }, true, 0, ErrCertificate},
		{"another critical option", func(_ *bench, c *ssh.Certificate) { c.CriticalOptions["force-command"] = "true" }, true, 0, ErrOption},
		{"no-touch-required", func(_ *bench, c *ssh.Certificate) { c.Extensions = map[string]string{"no-touch-required": ""} }, true, 0, ErrOption},
		{"no statement", func(_ *bench, c *ssh.Certificate) { c.CriticalOptions = nil }, true, 0, ErrStatement},
		{"an empty statement", func(_ *bench, c *ssh.Certificate) { c.CriticalOptions[StatementOption] = "" }, true, 0, ErrStatement},
		{"tampered statement", tamper, false, 0, ErrCertificate},
		{"tampered serial", func(_ *bench, c *ssh.Certificate) { c.Serial++ }, false, 0, ErrCertificate},
		{"tampered key", func(b *bench, c *ssh.Certificate) { c.Key = b.connection.HostKey }, false, 0, ErrCertificate},
		{"no memory of serials", func(b *bench, _ *ssh.Certificate) { b.serials = nil }, false, 0, ErrSerial},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			cert := b.mint(t, testStatement())
			if c.spoil != nil {
				c.spoil(b, cert)
			}
			if c.resign {
				if err := cert.SignCert(rand.Reader, b.ca); err != nil {
					t.Fatal(err)
				}
			}
			serials := Serials(b.serials)
			if b.serials == nil {
				serials = nil
			}
			got, err := Verify(cert, b.attestors, b.connection, serials, noon.Add(c.now))
			if !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if got.Person() || got.Principal != "" {
				t.Errorf("refused, and yet it says %+v", got)
			}
		})
	}
}

// The record says what is wrong in a way that is read, and of several faults the same each time.
func TestTheReason(t *testing.T) {
	for _, c := range []struct {
		spoil func(*ssh.Certificate)
		want  string
	}{
		{func(c *ssh.Certificate) { c.ValidBefore += 240 }, "it is made to last too long, from 2026-11-26T12:00:00Z to 2026-11-26T12:05:00Z, and 1m is the longest"},
		{func(c *ssh.Certificate) { c.ValidBefore = 1<<37 + 1 }, "it is made to last for ever"},
		{func(c *ssh.Certificate) { c.ValidBefore = c.ValidAfter }, "it ends before it begins, at 2026-11-26T12:00:00Z"},
		{func(c *ssh.Certificate) { c.ValidAfter -= 600; c.ValidBefore -= 600 }, "it ended at 2026-11-26T11:51:00Z, and here it is 2026-11-26T12:00:00Z"},
		{func(c *ssh.Certificate) {
			c.ValidBefore, c.Extensions = 0, map[string]string{"permit-pty": "", "no-touch-required": "", "permit-user-rc": "", "permit-agent-forwarding": ""}
		}, `extension "no-touch-required"`},
		{func(c *ssh.Certificate) {
			c.CriticalOptions["verify-required"], c.CriticalOptions["force-command"], c.CriticalOptions["source-address"] = "", "", ""
		}, `critical option "force-command"`},
	} {
		for range 20 {
			b := newBench(t)
			cert := b.mint(t, testStatement())
			c.spoil(cert)
			if _, err := b.verify(cert, noon); err == nil || !strings.HasSuffix(err.Error(), c.want) && !strings.Contains(err.Error(), c.want+", ") {
				t.Fatalf("%v, want %s", err, c.want)
			}
		}
	}
}

func tamper(_ *bench, c *ssh.Certificate) {
	c.CriticalOptions[StatementOption] = strings.Replace(c.CriticalOptions[StatementOption], "unbroken", "UNBROKEN", 1)
}

// A refused certificate leaves the serial of the good one alone.
func TestAForgeryBurnsNoSerial(t *testing.T) {
	b := newBench(t)
	good := b.mint(t, testStatement())
	forged := *good
	forged.Signature = &ssh.Signature{Format: good.Signature.Format, Blob: make([]byte, len(good.Signature.Blob))}
	if _, err := b.verify(&forged, noon); err == nil {
		t.Fatal("a forged signature is taken")
	}
	if _, err := b.verify(good, noon); err != nil {
		t.Fatal(err)
	}
	if _, err := b.verify(good, noon); !errors.Is(err, ErrSerial) {
		t.Errorf("taken twice: %v", err)
	}
}

func TestClocksMayDiffer(t *testing.T) {
	for _, off := range []time.Duration{-MaxSkew, 0, Lifetime, Lifetime + MaxSkew - time.Second} {
		b := newBench(t)
		if _, err := b.verify(b.mint(t, testStatement()), noon.Add(off)); err != nil {
			t.Errorf("%s later: %v", off, err)
		}
	}
}

func TestAMinimumThatIsNotMet(t *testing.T) {
	b := newBench(t)
	s := testStatement()
	s.Protections = []Protection{NoTIOCSTI, Events}
	got, err := b.verify(b.mint(t, s), noon)
	if err != nil {
		t.Fatal(err)
	}
	if got.Person() || len(got.Missing) != 1 || got.Missing[0] != NoPtrace {
		t.Errorf("a person without %q: %+v", b.attestors[0].Minimum, got)
	}
}

func TestMintRefuses(t *testing.T) {
	b := newBench(t)
	for name, c := range map[string]Connection{"no session": {HostKey: b.connection.HostKey}, "no host key": {SessionID: []byte("x")}} {
		if _, err := Mint(rand.Reader, b.ca, "alice", testStatement(), c, noon); err == nil {
			t.Errorf("%s: minted", name)
		}
	}
	if _, err := Mint(rand.Reader, b.ca, "", testStatement(), b.connection, noon); err == nil {
		t.Error("minted for nobody")
	}
	if _, err := Mint(rand.Reader, b.ca, "alice", Statement{}, b.connection, noon); !errors.Is(err, ErrStatement) {
		t.Errorf("minted with an empty statement: %v", err)
	}
}
