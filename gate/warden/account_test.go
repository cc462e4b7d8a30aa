package warden

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"forkgate/gate"
	"forkgate/gate/warden/client"
	"forkgate/nsjail/wire"
)

// withAccounts is a host that has an account build, of whoever runs the test, and a vouched principal that speaks by it.
func withAccounts(t *testing.T) (h *host, carol ssh.PublicKey) {
	t.Helper()
	h, carol = newHost(t), newKey(t)
	h.text += fmt.Sprintf("principal \"carol\" {\n  vouched = true\n  keys = [%q]\n  accounts = [\"build\", \"gone\"]\n}\n", line(carol))
	h.rules.lookUp = func(name string) (uint32, error) {
		if name == "build" {
			return uint32(os.Getuid()), nil
		}
		return 0, errors.New("no account " + name)
	}
	h.Warden.sshd = func(*wire.Conn) error { h.mu.Lock(); defer h.mu.Unlock(); return h.sshd }
	if err := h.rules.reload(); err != nil {
		t.Fatal(err)
	}
	h.start(t)
	return h, carol
}

func by(user string, keys ...ssh.PublicKey) client.AccountRequest {
	q := client.AccountRequest{User: []byte(user), Source: netip.MustParseAddrPort("192.0.2.7:4000")}
	for _, k := range keys {
		q.Keys = append(q.Keys, k.Marshal())
	}
	return q
}

// started says what will be found of the peers that come.
func (h *host) started(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sshd = err
}

func (h *host) comesBySSHD(t *testing.T, q client.AccountRequest) *client.Client {
	t.Helper()
	c := dial(t, h.account)
	if reply, err := c.Account(t.Context(), q); err != nil || reply.Account != "build" {
		t.Fatalf("%+v, %v", reply, err)
	}
	return c
}

// A vouched key makes a person at the gate, and an agent where sshd has let it in.
func TestWhoComesBySSHDIsAnAgent(t *testing.T) {
	h, carol := withAccounts(t)
	who := whoamiOf(t, h.comesBySSHD(t, by("gate", carol)), client.VerbRequest{Alone: true})
	if who.Principal != "carol" || who.Kind != gate.Agent || who.Class != gate.ClassKey || !strings.Contains(strings.Join(who.Evidence, "\n"), "nobody is a person there") {
		t.Errorf("got %+v", who)
	}
	who = whoamiOf(t, h.comesBySSHD(t, by("gate", carol)), client.VerbRequest{Marks: say("CLAUDECODE=1")})
	if who.Kind != gate.Agent || who.Agent != "Claude Code" {
		t.Errorf("with a mark: %+v", who)
	}
	best := gate.Evidence{Principal: "carol", Key: ssh.FingerprintSHA256(carol), Alone: true}
	for role, standing := range standings() {
		b := bounded{h.rules, standing}
		if b.class = min(b.class, gate.ClassHint); b.Caller(best).Class > gate.ClassHint {
			t.Errorf("%s: the class of evidence is not bounded", role)
		}
	}
	if who := whoamiOf(t, h.connect(t, "gate", carol), client.VerbRequest{Alone: true}); who.Kind != gate.Human {
		t.Errorf("control: at the gate she is %+v", who)
	}
}

// Not even a policy that permits everything lets anybody into production by sshd.
func TestNobodyEntersProductionBySSHD(t *testing.T) {
	h, carol := withAccounts(t)
	h.text = "permit \"all\" {\n  when = true\n}\n" + h.text[strings.Index(h.text, "agent \"Claude"):]
	if err := h.rules.reload(); err != nil {
		t.Fatal(err)
	}
	d := h.gates[account].Judge.Decide(gate.Request{
		Caller: gate.Caller{Principal: "carol"}, Op: gate.OpExec, Door: sshdDoor, Target: gate.Target{GUID: "g", Repo: "demo", Grand: true},
	})
	if d.Verdict != gate.Forbid || d.Approval != nil {
		t.Errorf("it could be approved: %+v", d)
	}
	_, err := h.comesBySSHD(t, by("demo", carol)).Open(t.Context(), client.OpenRequest{Op: "shell", Alone: true})
	if refusal, ok := gate.AsRefusal(err); !ok || !strings.Contains(refusal.Reason, "nobody gets there through sshd") {
		t.Errorf("the grand repository: %v", err)
	}
	for role, standing := range standings() {
		for _, op := range gate.Ops() {
			got := h.gates[role].Judge.Decide(gate.Request{
				Caller: gate.Caller{Principal: "carol"}, Op: op, Door: standing.door, Target: gate.Target{GUID: "g", Repo: "demo", Grand: true},
			}).Verdict == gate.Permit
			if want := standing.grand || op == gate.OpList || op == gate.OpShow; got != want {
				t.Errorf("%s, %s: permitted %t", role, op, got)
			}
		}
	}
	if _, err := h.comesBySSHD(t, by("demo+try", carol)).Open(t.Context(), client.OpenRequest{Op: "exec", Command: []byte("id")}); err != nil {
		t.Errorf("a fork: %v", err)
	}
	if _, err := h.connect(t, "demo", carol).Open(t.Context(), client.OpenRequest{Op: "shell", Alone: true}); err != nil {
		t.Errorf("control: at the gate: %v", err)
	}
}

// Each is refused, and the record says why.
func TestAnAccountSpeaksForItsPrincipalsAlone(t *testing.T) {
	h, carol := withAccounts(t)
	stranger := newKey(t)
	for _, test := range []struct {
		name, says string
		q          client.AccountRequest
		sshd       error
	}{
		{"nothing of sshd's", "not sshd", by("gate", carol), errors.New("process 7 is bash, not sshd")},
		{"no key", "names 0 keys", by("gate"), nil},
		{"two keys", "names 2 keys", by("gate", carol, h.bob), nil},
		{"nobody's key", "no principal has the key " + ssh.FingerprintSHA256(stranger), by("gate", stranger), nil},
		{"another principal's key", "bob does not speak by the account build", by("gate", h.bob), nil},
		{"what is no key", "sshd does not say", client.AccountRequest{User: []byte("gate"), Keys: [][]byte{{1, 2}}}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			h.started(test.sshd)
			c := dial(t, h.account)
			if _, err := c.Account(t.Context(), test.q); !isRefusal(err) {
				t.Errorf("got %v", err)
			}
			record := strings.Join(h.log.all(), "\n")
			if i := strings.LastIndex(record, "refused "); i < 0 || !strings.Contains(record[i:], "account build: ") ||
				!strings.Contains(record[i:], strings.TrimPrefix(test.says, "sshd does not say")) {
				t.Errorf("the record ends with %q", record[max(0, i):])
			}
			if _, err := c.Open(t.Context(), client.OpenRequest{Op: "shell"}); !errors.Is(err, client.ErrGone) {
				t.Errorf("and yet it may open: %v", err)
			}
			h.started(nil)
			h.comesBySSHD(t, by("gate", carol)) // the control
		})
	}
}

// Who has no account in policy is hung up on, and a connection ends with what let it in.
func TestAnAccountIsDropped(t *testing.T) {
	h, carol := withAccounts(t)
	c := h.comesBySSHD(t, by("demo+x", carol))
	h.text = strings.Replace(h.text, `"build", `, "", 1)
	if err := h.rules.reload(); err != nil || h.rules.has.Load().unknown == nil {
		t.Fatalf("%v, unknown accounts: %v", err, h.rules.has.Load().unknown)
	}
	if _, err := c.Open(t.Context(), client.OpenRequest{Op: "shell"}); !isRefusal(err) {
		t.Errorf("a connection that is open: %v", err)
	}
	if _, err := dial(t, h.account).Account(t.Context(), by("demo+x", carol)); !errors.Is(err, client.ErrGone) {
		t.Errorf("a new one: %v", err)
	}
}

func TestRootHasNoAccount(t *testing.T) {
	if uid, err := lookUpAccount("root"); err == nil {
		t.Errorf("root speaks by uid %d", uid)
	}
	found, err := accountsOf([]string{"a", "b"}, func(string) (uint32, error) { return 7, nil })
	if len(found) != 1 || err == nil {
		t.Errorf("two accounts of one uid are %v, %v", found, err)
	}
}

// What sshd has started is told by three processes, and each of them counts.
func TestBelowSSHD(t *testing.T) {
	const uid = 1001
	type process struct {
		exe  string
		uids string
	}
	own, root := fmt.Sprint(uid, "\t", uid, "\t", uid, "\t", uid), "0\t0\t0\t0"
	good := [3]process{{"/usr/bin/forkgate", own}, {"/usr/sbin/sshd", own}, {"/usr/sbin/sshd", root}}
	for name, test := range map[string]struct {
		change func(*[3]process)
		says   string
	}{
		"sshd": {func(*[3]process) {}, ""},
		"sshd since 9.8": {func(p *[3]process) {
			p[1].exe, p[2].exe = "/usr/lib/openssh/sshd-session", "/usr/lib/openssh/sshd-session"
		}, ""},
		"by hand":                        {func(p *[3]process) { p[1].exe = "/bin/bash" }, "is bash, not sshd"},
		"an sshd of the account's":       {func(p *[3]process) { p[2].uids = own }, "not 0 alone"},
		"another program of root's":      {func(p *[3]process) { p[2].exe = "/usr/sbin/cron" }, "is cron, not sshd"},
		"sshd of another user":           {func(p *[3]process) { p[1].uids = "1002\t1002\t1002\t1002" }, "not 1001 alone"},
		"an account that was root":       {func(p *[3]process) { p[0].uids = "1001\t1001\t0\t1001" }, "not 1001 alone"},
		"sshd, replaced since it began":  {func(p *[3]process) { p[1].exe += " (deleted)" }, ""},
		"a program that is called sshdx": {func(p *[3]process) { p[1].exe = "/usr/sbin/sshdx" }, "not sshd"},
	} {
		t.Run(name, func(t *testing.T) {
			processes, dir := good, t.TempDir()
			test.change(&processes)
			for i, p := range processes {
				fakeProcess(t, dir, 30-i*10, 20-i*10, p.exe, p.uids)
			}
			err := belowSSHD(os.DirFS(dir), 30, uid)
			if (err == nil) != (test.says == "") || err != nil && !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v, want %q", err, test.says)
			}
		})
	}
}

// fakeProcess writes what /proc would say.
func fakeProcess(t *testing.T, dir string, pid, parent int, exe, uids string) {
	t.Helper()
	place := filepath.Join(dir, fmt.Sprint(pid))
	if err := os.MkdirAll(filepath.Join(place, "ns"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"stat":    fmt.Sprintf("%d (x) S %d 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 100 0 0\n", pid, parent),
		"status":  "Uid:\t" + uids + "\nGid:\t1\t1\t1\t1\nGroups:\t\nTracerPid:\t0\n",
		"limits":  "Max msgqueue size         819200               819200               bytes\n",
		"cmdline": "x\x00", "environ": "",
	} {
		if err := os.WriteFile(filepath.Join(place, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, to := range map[string]string{"exe": exe, "ns/pid": "pid:[1]", "ns/user": "user:[1]", "ns/mnt": "mnt:[1]"} {
		if err := os.Symlink(to, filepath.Join(place, name)); err != nil {
			t.Fatal(err)
		}
	}
}
