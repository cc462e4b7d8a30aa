package scripts_test

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"forkgate/gate/provenance"
	"forkgate/tests/host"
	"forkgate/tests/keys"
)

// certified is who an attestor speaks for in the stories. There is no key of that name.
const certified = "certified"

// forge is an attestor that says whatever it is asked for: a key in a policy of a host, and an ssh-agent for each thing to say. The real
// one refuses to say these; what it does say is in tests/attest.
type forge struct {
	t      *testing.T
	ca     ssh.Signer
	serial uint64 // of all that is said twice
	drawer *drawer

	mu    sync.Mutex
	first map[string]ssh.Signer // what was minted first of a kind
}

func newForge(t *testing.T, h *host.Host) *forge {
	t.Helper()
	f := &forge{t: t, ca: keys.New(t), serial: 42, drawer: newDrawer(t, h), first: map[string]ssh.Signer{}}
	policy := fmt.Sprintf("principal %q {\n}\nattestor \"forge\" {\n  key        = %q\n  principals = { \"1000\" = %[1]q, \"1001\" = %[3]q }\n}\n",
		certified, strings.TrimSpace(string(ssh.MarshalAuthorizedKey(f.ca.PublicKey()))), holder)
	if err := os.WriteFile(filepath.Join(h.Root(), "etc/forkgate/policy.d/attestors.hcl"), []byte(policy), 0o644); err != nil {
		t.Fatal(err)
	}
	h.Must(t, "sh", "-ec", "forkgate policy check; systemctl reload forkgate-warden")
	return f
}

// says is what there is to say: by the statement, and by the certificate around it before and after it is signed.
var says = map[string]struct {
	statement  func(*provenance.Statement)
	certify    func(*ssh.Certificate)
	afterwards func(*ssh.Certificate)
}{
	"person": {},
	"agent":  {statement: byAgent},
	"unverified": {statement: func(s *provenance.Statement) {
		s.Verdict, s.Reasons = provenance.Unverified, []string{"started by systemd --user"}
	}},
	"holder":    {statement: asHolder, certify: forHolder},
	"holding":   {statement: func(s *provenance.Statement) { asHolder(s); byAgent(s) }, certify: forHolder},
	"weak":      {statement: func(s *provenance.Statement) { s.Protections = s.Protections[:1] }},
	"leave":     {statement: leave("demo", "")},
	"elsewhere": {statement: leave("shop,dem", "")},
	"own":       {statement: leave("demo", provenance.SetByAgent)},
	"rewritten": {statement: leave("demo", provenance.Unprotected)},
	"all":       {statement: leave("*", provenance.Malformed)},

	"replay":     {},
	"serial":     {certify: func(c *ssh.Certificate) { c.Serial = 42 }},
	"session":    {certify: rewrites(func(s *provenance.Statement) { s.Session = strings.Repeat("00", 32) })},
	"hostkey":    {certify: rewrites(func(s *provenance.Statement) { s.HostKey = "SHA256:another" })},
	"expired":    {certify: func(c *ssh.Certificate) { c.ValidAfter -= 200; c.ValidBefore -= 200 }},
	"unknownca":  {},
	"principals": {certify: func(c *ssh.Certificate) { c.ValidPrincipals = []string{certified, "attested-person"} }},
	"nobody":     {certify: func(c *ssh.Certificate) { c.ValidPrincipals = nil }},
	"foreign":    {certify: func(c *ssh.Certificate) { c.ValidPrincipals = []string{"attested-person"} }},
	"option":     {certify: func(c *ssh.Certificate) { c.CriticalOptions["source-address"] = "0.0.0.0/0" }},
	"notouch":    {certify: func(c *ssh.Certificate) { c.Extensions = map[string]string{"no-touch-required": ""} }},
	"tampered":   {statement: byAgent, afterwards: rewrites(func(s *provenance.Statement) { s.Verdict, s.Agent = provenance.ByPerson, "" })},
}

func byAgent(s *provenance.Statement) {
	s.Verdict, s.Agent, s.Reasons = provenance.ByAgent, "Claude Code", []string{"process 6 is Claude Code: comm claude"}
}

func leave(value string, refused provenance.Refusal) func(*provenance.Statement) {
	return func(s *provenance.Statement) {
		byAgent(s)
		s.Override = &provenance.Override{Value: value, PID: 6, Start: 1, Refused: refused}
		if refused == "" {
			s.Override.Protection = provenance.NoPtrace
		}
	}
}

// rewrites changes the statement that a certificate holds.
func rewrites(change func(*provenance.Statement)) func(*ssh.Certificate) {
	return func(c *ssh.Certificate) {
		s, err := provenance.DecodeStatement([]byte(c.CriticalOptions[provenance.StatementOption]))
		if err != nil {
			panic(err)
		}
		change(&s)
		text, err := s.Encode()
		if err != nil {
			panic(err)
		}
		c.CriticalOptions[provenance.StatementOption] = string(text)
	}
}

// mint makes the certificate of a kind for a connection.
func (f *forge) mint(kind string, session []byte, hostKey ssh.PublicKey) (ssh.Signer, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if made := f.first[kind]; kind == "replay" && made != nil {
		return made, nil
	}
	say := says[kind]
	s := provenance.Statement{
		Verdict: provenance.ByPerson, Reasons: []string{"unbroken from process 7 (ssh) to process 5 (login), without an agent"}, UID: 1000,
		Chain:       []provenance.Link{{PID: 7, Start: 3, UID: 1000, Name: "ssh"}, {PID: 6, Start: 2, UID: 1000, Name: "bash"}, {PID: 5, Start: 1, Name: "login"}},
		Protections: provenance.Protections(), Session: hex.EncodeToString(session), HostKey: ssh.FingerprintSHA256(hostKey),
	}
	if say.statement != nil {
		say.statement(&s)
	}
	text, err := s.Encode()
	if err != nil {
		return nil, err
	}
	key, now := keys.New(f.t), time.Now()
	f.serial++
	cert := &ssh.Certificate{
		Key: key.PublicKey(), Serial: f.serial, CertType: ssh.UserCert, ValidPrincipals: []string{certified},
		ValidAfter: uint64(now.Unix()), ValidBefore: uint64(now.Add(provenance.Lifetime).Unix()),
		Permissions: ssh.Permissions{CriticalOptions: map[string]string{provenance.StatementOption: string(text)}},
	}
	if say.certify != nil {
		say.certify(cert)
	}
	ca := f.ca
	if kind == "unknownca" {
		ca = keys.New(f.t)
	}
	if err := cert.SignCert(rand.Reader, ca); err != nil {
		return nil, err
	}
	if say.afterwards != nil {
		say.afterwards(cert)
	}
	made, err := ssh.NewCertSigner(cert, key)
	f.first[kind] = made
	return made, err
}

// serve has an ssh-agent listen in dir for each kind, until the story ends.
func (f *forge) serve(e *testscript.Env, dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	var serving sync.WaitGroup
	e.Defer(serving.Wait)
	for kind := range says {
		l, err := net.Listen("unix", filepath.Join(dir, kind))
		if err != nil {
			return err
		}
		e.Defer(func() { l.Close() }) // before it is waited for
		serving.Go(func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				serving.Go(func() {
					defer c.Close()
					_ = agent.ServeAgent(&forged{forge: f, kind: kind}, c) // until ssh hangs up
				})
			}
		})
	}
	return nil
}

// forged is the agent of one ssh.
type forged struct {
	agent.ExtendedAgent // nil: what is not here is not asked for
	forge               *forge
	kind                string
	signer              ssh.Signer
}

// Extension learns by session-bind@openssh.com which connection it is (PROTOCOL.agent of OpenSSH).
func (a *forged) Extension(kind string, contents []byte) ([]byte, error) {
	var binding struct {
		HostKey, Session, Signature []byte
		Forwarded                   bool
	}
	if kind != "session-bind@openssh.com" || ssh.Unmarshal(contents, &binding) != nil {
		return nil, agent.ErrExtensionUnsupported
	}
	hostKey, err := ssh.ParsePublicKey(binding.HostKey)
	if err != nil {
		return nil, err
	}
	a.signer, err = a.forge.mint(a.kind, bytes.Clone(binding.Session), hostKey)
	return nil, err
}

func (a *forged) List() ([]*agent.Key, error) {
	if a.signer == nil {
		return nil, nil
	}
	key := a.signer.PublicKey()
	return []*agent.Key{{Format: key.Type(), Blob: key.Marshal(), Comment: a.kind}}, nil
}

func (a *forged) SignWithFlags(_ ssh.PublicKey, data []byte, _ agent.SignatureFlags) (*ssh.Signature, error) {
	if a.signer == nil {
		return nil, errors.New("not bound")
	}
	return a.signer.Sign(rand.Reader, data)
}

// tampered shows the gate a statement that was changed after it was signed. A stock ssh does not even offer such a certificate.
func tampered(t *testing.T, h *host.Host, f *forge) {
	ours, theirs := net.Pipe()
	defer ours.Close()
	relay := h.NetCommand(t.Context(), "socat", "-", "TCP:"+host.Address+":"+host.Port)
	relay.Stdin, relay.Stdout = theirs, theirs
	if err := relay.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { theirs.Close(); _ = relay.Wait() }()
	signer, err := f.mint("tampered", []byte("any"), f.ca.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	_, _, _, err = ssh.NewClientConn(ours, "gate", &ssh.ClientConfig{
		User: "demo", Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, HostKeyCallback: ssh.InsecureIgnoreHostKey(),
	})
	if err == nil || !strings.Contains(err.Error(), "unable to authenticate") {
		t.Errorf("it gets in: %v", err)
	}
	if said := h.Must(t, "grep", "-c", "certificate signature does not verify", "/var/lib/forkgate/audit/audit.jsonl"); said != "1" {
		t.Errorf("the record has it %s times", said)
	}
}
