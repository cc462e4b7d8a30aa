package attest

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"forkgate/gate/provenance"
	"forkgate/gate/provenance/attestor"
)

// ownAgent gives alice an ordinary agent with a key, which the other host knows. The gate knows it as well.
func (w *workstation) ownAgent(t *testing.T, p *person) (fingerprint string) {
	t.Helper()
	p.types("eval $(ssh-agent -s); ssh-keygen -q -t ed25519 -N '' -f ~/own-key; ssh-add -q ~/own-key; export SSH_AUTH_SOCK")
	t.Cleanup(func() { os.Remove(filepath.Join(w.home, "own-key")) })
	line, err := os.ReadFile(filepath.Join(w.home, "own-key.pub"))
	must(t, err)
	key, _, _, _, err := ssh.ParseAuthorizedKey(line)
	must(t, err)
	w.gate.known, w.other.known = []ssh.PublicKey{key}, []ssh.PublicKey{key}
	return ssh.FingerprintSHA256(key)
}

// No key is lost by the line in ssh_config: a host that is no gate sees those that it always saw, and a gate sees the certificate alone.
func TestOtherHostsSeeTheCallersOwnAgent(t *testing.T) {
	w := newWorkstation(t)
	w.daemon(t)
	p := w.login(t)
	fingerprint := w.ownAgent(t, p)
	if a := p.asks("ssh -n -F ssh_config demo@other whoami"); a.Key != fingerprint || a.Attested.Attestor != "" {
		t.Errorf("the other host sees %+v, want the key %s", a, fingerprint)
	}
	if a := p.asks("$ssh"); a.Key != "" || !a.Attested.Person() {
		t.Errorf("the gate sees %+v", a)
	}
	p.types("unset SSH_AUTH_SOCK")
	if said := p.types("ssh -n -F ssh_config demo@other whoami"); !strings.Contains(said, "Permission denied") {
		t.Errorf("without an agent of her own alice is told %q", said)
	}
}

// A person lends the agent to a host; what comes from there is not the person.
func TestAForwardedAgent(t *testing.T) {
	w := newWorkstation(t)
	w.daemon(t)
	p := w.login(t)
	w.ownAgent(t, p)
	var got []string
	try := func(a agent.ExtendedAgent) {
		keys, err := a.List()
		got = append(got, fmt.Sprint(len(keys), " ", err))
		// The host claims that its own connection to the gate is the caller's.
		_, err = a.Extension("session-bind@openssh.com", bindingOf(t, w.gate.key))
		keys, _ = a.List()
		got = append(got, fmt.Sprint(err == nil, " ", certificates(keys)))
	}
	w.gate.borrowed = try
	if a := p.asks("ssh -n -F ssh_config -o ForwardAgent=yes demo@gate whoami"); !a.Attested.Person() {
		t.Errorf("the person's own login: %+v", a)
	}
	w.other.borrowed = try
	p.asks("ssh -n -F ssh_config -o ForwardAgent=yes demo@other whoami")
	// At the gate the agent holds nothing. At the other host it is the caller's own, which takes the claim for what it is worth.
	if fmt.Sprint(got) != "[0 <nil> false 0 1 <nil> true 0]" && fmt.Sprint(got) != "[0 <nil> false 0 1 <nil> false 0]" {
		t.Errorf("got %q", got)
	}
}

func certificates(keys []*agent.Key) (n int) {
	for _, k := range keys {
		if k.Format == ssh.CertAlgoED25519v01 {
			n++
		}
	}
	return n
}

// bindingOf is a session-bind that a host has signed, for a session of its choice.
func bindingOf(t *testing.T, host ssh.Signer) []byte {
	t.Helper()
	session := []byte("a session that the attacker has with the gate")
	signature, err := host.Sign(nil, session)
	must(t, err)
	return ssh.Marshal(struct {
		HostKey, Session, Signature []byte
		Forwarded                   bool
	}{host.PublicKey().Marshal(), session, ssh.Marshal(signature), false})
}

// Only the workstation's own ssh gets a certificate, whatever another program calls itself.
func TestOnlySSHIsAnswered(t *testing.T) {
	w := newWorkstation(t)
	w.daemon(t)
	for name, command := range map[string]string{
		"a copy":          "cp /usr/bin/ssh ~/ssh; ~/$ssh",
		"a copy in place": "cp /usr/bin/ssh ~/ssh; unshare -r -m bash -c 'mount --bind ~/ssh /usr/bin/ssh && $0 $*' $ssh",
	} {
		if said := w.login(t).types(command); !strings.Contains(said, "Permission denied") {
			t.Errorf("%s: %q", name, said)
		}
	}
	// The same in a mount namespace of its own, with nothing covered.
	if a := w.login(t).asks("unshare -r -m bash -c 'mount --bind ~ /mnt && $0 $*; true' $ssh"); !a.Attested.Person() {
		t.Errorf("the control: %+v", a)
	}
}

func TestWhoami(t *testing.T) {
	w := newWorkstation(t)
	w.daemon(t)
	whoami := "./forkgate-attest whoami --socket " + w.socket()
	p := w.login(t)
	if said := p.types(whoami); !strings.Contains(said, "verdict      person") || !strings.Contains(said, "(login), without an agent") {
		t.Errorf("a person is told %q", said)
	}
	for command, want := range map[string]string{ // of which the parents outside are seen
		"unshare -Urpf --mount-proc ": "not in the workstation's pid, user, mount namespace: process ",
		"unshare -cm ":                "not in the workstation's user, mount namespace: process ",
	} {
		if said := w.login(t).types(command + whoami); !strings.Contains(said, "verdict      person") || !strings.Contains(said, want) {
			t.Errorf("%s is told %q", command, said)
		}
	}
	said := p.types("REDIACC_ALLOW_GRAND_REPO=demo ./claude " + whoami + " --json")
	var r attestor.Report
	if err := json.Unmarshal([]byte(said[strings.IndexByte(said, '{'):strings.LastIndexByte(said, '}')+1]), &r); err != nil {
		t.Fatalf("%q: %v", said, err)
	}
	if r.Verdict != provenance.ByAgent || r.Agent != "Claude Code" || len(r.Chain) < 4 {
		t.Errorf("got %+v", r)
	}
	if len(r.Reasons) != 1 || strings.Contains(r.Reasons[0], "claude") {
		t.Errorf("an agent is told by what it is known: %q", r.Reasons)
	}
	if said := p.types("./claude env REDIACC_ALLOW_GRAND_REPO=demo " + whoami + " --json"); !strings.Contains(said, "Claude Code") || strings.Contains(said, "override") {
		t.Errorf("an agent that has set an override is told %q", said)
	}
	if said := p.types("REDIACC_ALLOW_GRAND_REPO=demo ./claude " + whoami); strings.Contains(strings.ToLower(said), "override") || strings.Contains(said, "REDIACC") {
		t.Errorf("an agent is told how to get in: %q", said)
	}
	for value, want := range map[string]string{
		"demo,shop":  "leave        an agent started here would have leave for demo, shop",
		"demo, shop": "leave        an agent started here would have none: \" shop\" is no name of a repository",
		"*":          "leave        an agent started here would have none: \"*\" is no name of a repository",
	} {
		if said := w.login(t).types("export REDIACC_ALLOW_GRAND_REPO='" + value + "'; " + whoami); !strings.Contains(said, want) {
			t.Errorf("%q: %q lacks %q", value, said, want)
		}
		// Nobody else hears of it.
		for _, other := range []string{"./claude " + whoami, "script -qec \"" + whoami + "\" /dev/null", "./claude " + whoami + " --json"} {
			if said := w.login(t).types("export REDIACC_ALLOW_GRAND_REPO='" + value + "'; " + other); strings.Contains(said, "would have") || !strings.Contains(said, "verdict") {
				t.Errorf("%q: %s says %q", value, other, said)
			}
		}
	}
	if said := w.login(t).types(whoami); strings.Contains(said, "leave") {
		t.Errorf("nothing is set, and it says %q", said)
	}
	if said := p.types("./forkgate-attest whoami --socket /nowhere; echo code $?"); !strings.Contains(said, "cannot ask the attestor") || !strings.Contains(said, "code 1") {
		t.Errorf("without a daemon: %q", said)
	}
}

// The daemon's log is for root, who finds in it by what an agent was known: one reason after the other.
func TestTheLogHasReasons(t *testing.T) {
	w := newWorkstation(t)
	w.daemon(t)
	w.login(t).asks("./claude env GEMINI_CLI=1 $ssh")
	said := w.log.String()
	i := strings.Index(said, "msg=attested")
	if i < 0 || !strings.Contains(said[i:], "comm claude, a mark of Claude Code; process ") || strings.Contains(said[i:], "reasons=\"[") {
		t.Errorf("the log says %s", said)
	}
}

// After a restart nobody is a person who was there before: what went on meanwhile is not known.
func TestOlderThanTheAttestor(t *testing.T) {
	w := newWorkstation(t)
	p := w.login(t)
	p.types("true")
	w.daemon(t)
	s := p.asks("$ssh").Attested.Statement
	if s.Verdict != provenance.Unverified || !strings.Contains(strings.Join(s.Reasons, "\n"), "older than the attestor") {
		t.Errorf("got %+v", s)
	}
	if a := w.login(t).asks("$ssh"); !a.Attested.Person() {
		t.Errorf("who logs in again is %+v", a)
	}
}

// A caller that says nothing, or nonsense, costs the others nothing.
func TestNonsense(t *testing.T) {
	w := newWorkstation(t)
	w.daemon(t)
	p := w.login(t)
	program := "import socket,sys\ns=[]\nfor m in " + strconv.Quote("\x00\x00\x00\x00|\xff\xff\xff\xff|\x00\x00\x00\x01\x0b|\x00\x00\x00\x02\x1b\x00|x") +
		".encode('latin1').split(b'|')*10:\n  c=socket.socket(socket.AF_UNIX);c.connect(sys.argv[1]);c.send(m);s.append(c)\n"
	w.write(t, "nonsense.py", "%s", program)
	p.types("python3 nonsense.py " + w.socket())
	if a := p.asks("$ssh"); !a.Attested.Person() {
		t.Errorf("got %+v", a)
	}
}
