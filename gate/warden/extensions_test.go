package warden

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"forkgate/gate"
	"forkgate/gate/warden/client"
	"forkgate/tests/keys"
)

// beside permits all that stands beside a session, in forks of one's own.
const beside = `
permit "beside" {
  when = target.fork && target.owner == caller.principal && contains(["forward-local", "forward-remote", "forward-unix", "agent-forward"], op)
}
`

// without is a certificate of alice's that lacks some of the extensions that others have.
func without(t *testing.T, ca ssh.Signer, extensions ...string) *ssh.Certificate {
	t.Helper()
	cert := userCert(t, ca, "alice@corp")
	maps.DeleteFunc(cert.Extensions, func(name, _ string) bool { return slices.Contains(extensions, name) })
	signedBy(t, cert, ca)
	return cert
}

// opens opens one session of alice's fork by a certificate.
func (h *host) opens(t *testing.T, cert *ssh.Certificate, q client.OpenRequest) (*client.Session, error) {
	t.Helper()
	c, connection := h.arrives(t)
	if _, err := c.Assert(t.Context(), claimOf(cert, connection.SessionID, "demo+hers")); err != nil {
		t.Fatal(err)
	}
	s, err := c.Open(t.Context(), q)
	if err == nil {
		t.Cleanup(func() { s.Close() })
	}
	return s, err
}

// Terminals and forwards need their extension. Controls: with it they are had, without each other extension as well, and so is a session without a terminal where there
// is no extension at all.
func TestExtensionsAreHeeded(t *testing.T) {
	to := gate.Destination{Host: "localhost", Port: 80}
	all := slices.Sorted(maps.Keys(userCert(t, keys.New(t)).Extensions))
	h, ca, _ := certified(t)
	h.more(t, beside)
	for name, test := range map[string]struct {
		q    client.OpenRequest
		need string // empty: none
	}{
		"a shell":                    {client.OpenRequest{Op: "shell"}, ""},
		"a command":                  {client.OpenRequest{Op: "exec", Command: []byte("id")}, ""},
		"sftp":                       {client.OpenRequest{Op: "sftp"}, ""},
		"a shell in a terminal":      {client.OpenRequest{Op: "shell", Terminal: &client.Terminal{}}, "permit-pty"},
		"a command in a terminal":    {client.OpenRequest{Op: "exec", Command: []byte("id"), Terminal: &client.Terminal{Term: []byte("xterm")}}, "permit-pty"},
		"a port":                     {client.OpenRequest{Op: string(gate.OpForwardLocal), Forward: to}, "permit-port-forwarding"},
		"a socket":                   {client.OpenRequest{Op: string(gate.OpForwardUnix), Forward: gate.Destination{Path: "/s"}}, "permit-port-forwarding"},
		"a port that is listened on": {client.OpenRequest{Op: string(gate.OpForwardRemote), Forward: to}, "permit-port-forwarding"},
		"a socket's listener":        {client.OpenRequest{Op: string(gate.OpForwardRemote), Forward: gate.Destination{Path: "/s"}}, "permit-port-forwarding"},
	} {
		t.Run(name, func(t *testing.T) {
			others := slices.DeleteFunc(slices.Clone(all), func(e string) bool { return e == test.need })
			for _, lacks := range [][]string{nil, others} {
				if _, err := h.opens(t, without(t, ca, lacks...), test.q); err != nil {
					t.Errorf("without %q: %v", lacks, err)
				}
			}
			ran := len(h.pods.ran())
			for _, lacks := range [][]string{{test.need}, all} {
				_, err := h.opens(t, without(t, ca, lacks...), test.q)
				if refused := refusedWith(err, "it has no "+test.need); refused != (test.need != "") || !refused && err != nil {
					t.Errorf("without %q: %v", lacks, err)
				}
				if last := h.log.all()[len(h.log.all())-1]; test.need != "" && (!strings.HasPrefix(last, "refused ") || !strings.HasSuffix(last, "it has no "+test.need)) {
					t.Errorf("the record says %q", last)
				}
			}
			if more := len(h.pods.ran()) > ran; more != (test.need == "") {
				t.Errorf("it ran %+v", h.pods.ran()[ran:])
			}
		})
	}
}

// An ssh-agent stays outside without its extension, and the session comes about, which is told. Control: with it alone the ssh-agent comes along.
func TestTheExtensionOfAgents(t *testing.T) {
	h, ca, _ := certified(t)
	h.more(t, beside)
	q := client.OpenRequest{Op: "shell", AgentForward: true}
	s, err := h.opens(t, without(t, ca, "permit-agent-forwarding"), q)
	if err != nil || s.Agent != nil || !strings.HasPrefix(s.Said, "agent forwarding is refused: ") || !strings.Contains(s.Said, "it has no permit-agent-forwarding") {
		t.Fatalf("without it: %v, %+v", err, s)
	}
	if ran := h.pods.ran(); len(ran) != 1 || ran[0].Agent {
		t.Errorf("it ran %+v", ran)
	}
	if !slices.ContainsFunc(h.log.all(), func(l string) bool {
		return strings.HasPrefix(l, "refused ") && strings.HasSuffix(l, "permit-agent-forwarding")
	}) {
		t.Errorf("the record says %q", h.log.all())
	}
	s, err = h.opens(t, without(t, ca, "permit-pty", "permit-port-forwarding"), q)
	if err != nil || s.Agent == nil || s.Said != "" {
		t.Errorf("with it: %v, %+v", err, s)
	}
}

// The baseline refuses the ssh-agent of who comes by a certificate that has all extensions: so the hint to one that lacks it does not send for another. Control: of
// a terminal, which another certificate brings, it does.
func TestTheHintOfAgentsPromisesNothing(t *testing.T) {
	h, ca, _ := certified(t)
	q := client.OpenRequest{Op: "shell", AgentForward: true}
	if s, err := h.opens(t, without(t, ca), q); err != nil || s.Agent != nil || !strings.Contains(s.Said, "no rule permits agent-forward") {
		t.Errorf("with all extensions: %v, %+v", err, s)
	}
	const promise = "ask for a certificate that has it"
	if s, err := h.opens(t, without(t, ca, "permit-agent-forwarding"), q); err != nil || !strings.Contains(s.Said, "(hint: ssh -a; ") || strings.Contains(s.Said, promise) {
		t.Errorf("without it: %v, %+v", err, s)
	}
	var refused *gate.Refusal
	_, err := h.opens(t, without(t, ca, "permit-pty"), client.OpenRequest{Op: "shell", Terminal: &client.Terminal{}})
	if !errors.As(err, &refused) || !strings.HasSuffix(refused.Hint, promise) {
		t.Errorf("a terminal: %v", err)
	}
}

// What cannot be written down does not come about, without the ssh-agent either.
func TestARefusedExtensionIsInTheRecord(t *testing.T) {
	h, ca, _ := certified(t)
	h.more(t, beside)
	c, connection := h.arrives(t)
	if _, err := c.Assert(t.Context(), claimOf(without(t, ca, "permit-agent-forwarding"), connection.SessionID, "demo+hers")); err != nil {
		t.Fatal(err)
	}
	h.log.mu.Lock()
	h.log.fail = errDaemon
	h.log.mu.Unlock()
	if _, err := c.Open(t.Context(), client.OpenRequest{Op: "shell", AgentForward: true}); err == nil || isRefusal(err) || len(h.pods.ran()) > 0 {
		t.Errorf("%v, %+v", err, h.pods.ran())
	}
}

// An identity with an authority and no certificate is none that there can be: nothing is had by it. Certificates of attestors, and ordinary keys, need no extensions.
func TestWhoNeedsExtensions(t *testing.T) {
	none := &ssh.Certificate{}
	for name, test := range map[string]struct {
		who  *identity
		want bool
	}{
		"an authority's certificate": {&identity{authority: "SHA256:x", key: none}, true},
		"an authority's key":         {&identity{authority: "SHA256:x", key: newKey(t)}, true},
		"an attestor's certificate":  {&identity{attested: &attestation{}, key: none}, false},
		"a key":                      {&identity{key: newKey(t)}, false},
	} {
		if got := test.who.lacks("permit-pty"); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
