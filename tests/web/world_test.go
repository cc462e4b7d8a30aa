package web_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"forkgate/gate"
	"forkgate/gate/archive"
	"forkgate/gate/audit"
	"forkgate/gate/tape"
	"forkgate/tests/need"
)

// event is a piece of a recording.
type event struct {
	at         float64 // seconds
	code, data string
}

// scene is a session that was recorded.
type scene struct {
	session  string
	request  gate.Request
	decision gate.Decision
	terminal bool
	took     time.Duration
	code     int
	events   []event
}

// permitted is what policy said of a scene.
func permitted(rule, where string) gate.Decision {
	return gate.Decision{Verdict: gate.Permit, Rule: rule, Where: where}
}

var (
	alice = gate.Caller{Principal: "alice", Kind: gate.Human, Class: gate.ClassAttested, Key: "SHA256:Fz2V4sQb1mWn8kq0h0rXk9m3T2J7dPp5yN6aUe1cLgM",
		Attestor: "alice-laptop", Attested: "human", Evidence: []string{"alice-laptop says that a person has opened this connection", "the chain is unbroken up to a login"}}
	agents = gate.Caller{Principal: "alice-agents", Kind: gate.Agent, Class: gate.ClassHint, Agent: "claude-code", Key: "SHA256:0m3RlTq8aXk5yN6cJw7dPp1uUe2LgM4sQbFz9V0hWn8",
		Evidence: []string{"a key of alice-agents signed"}, Marks: []string{"CLAUDECODE=1"}}
	source = netip.MustParseAddr("192.0.2.17")
)

func asked(c gate.Caller, op gate.Op, repo, tag, command string) gate.Request {
	return gate.Request{Caller: c, Op: op, Command: command, Source: source, Door: "ssh",
		Target: gate.Target{Repo: repo, Tag: tag, GUID: "88c9ec39-4727-4aa8-8a10-a54dd0419406", Grand: tag == "", Fork: tag != ""}}
}

const prompt = "\x1b[32mrediacc@shop\x1b[0m:\x1b[34m~/data\x1b[0m$ "

// played is the session whose screen the test reads, and screen what it shows at its end.
const played = "k3v7q2m9x4ha"

var screen = []string{
	"rediacc@shop:~/data$ ls",
	"app  orders.db  orders.db-wal  Rediaccfile",
	"rediacc@shop:~/data$ sqlite3 orders.db 'select count(*), sum(total) from orders'",
	"48213|1938204.75",
	"rediacc@shop:~/data$ systemctl --user status | grep -c '€ ✓ 漢字'",
	"0",
	"rediacc@shop:~/data$ exit",
}

// hostile is a recording by somebody who would rather have the reader's browser.
const hostile = "zz7x0hostile"

const attack = `<img src=x onerror="owned=1"><script>owned=1</script>`

func scenes() []scene {
	evil := agents
	evil.Principal, evil.Agent = "mallory-agents", `"><svg onload=owned=1>`
	return []scene{
		{"a1f0c3d5e7b9", asked(agents, gate.OpExec, "demo-stackoverflow", "agent-test", "rm -rf *; ls -lA"),
			permitted("agents-work-in-their-forks", "baseline.hcl:31"), false, 412 * time.Millisecond, 0, []event{{0.3, "o", "total 0\n"}}},
		{"b7m2n4q6s8t0", asked(agents, gate.OpExec, "shop", "agent-f4wj", "make test"), permitted("agents-work-in-their-forks", "baseline.hcl:31"), false, 73 * time.Second, 2, []event{
			{0.1, "o", "go vet ./...\ngo test ./...\n"}, {2.2, "o", "ok  \tshop/cart\t0.412s\nok  \tshop/orders\t1.903s\n"},
			{4, "e", "# shop/pay\npay/refund.go:88:17: undefined: ledger.Reverse\n"}, {4.5, "o", "FAIL\tshop/pay [build failed]\nFAIL\n"}, {4.6, "e", "make: *** [Makefile:12: test] Error 1\n"},
		}},
		{"c2x4y6z8w0v1", asked(agents, gate.OpSFTP, "shop", "agent-f4wj", ""), permitted("agents-work-in-their-forks", "baseline.hcl:31"), false, 9 * time.Second, 0, []event{
			{1, tape.Files, did(tape.File{Did: "read", Path: "/srv/shop/orders.csv", Size: 482133, SHA256: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", Outcome: "ok"})},
			{3.2, tape.Files, did(tape.File{Did: "write", Path: "fixtures/orders-2026.csv", Size: 81920, SHA256: "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752", Outcome: "ok"})},
			{5, tape.Files, did(tape.File{Did: "rename", Path: "fixtures/orders-2026.csv", To: "fixtures/orders.csv", Outcome: "ok"})},
			{6, tape.Files, did(tape.File{Did: "remove", Path: "fixtures/\x1b]0;x\a<b>old</b>", Outcome: "permission denied"})},
		}},
		{hostile, asked(evil, gate.OpExec, "shop", "evil", attack+" \x1b]0;owned\x07\u202etxt.exe \xff"), permitted("agents-work-in-their-forks", "baseline.hcl:31"), true, 3 * time.Second, 0, []event{
			{0.1, "o", attack + "\r\n\x1b]0;owned\x07\x1b]8;;javascript:owned=1\x1b\\click\x1b]8;;\x1b\\ \x1b]52;c;cm0=\x07\u202eabc\u202c\r\n"},
			{0.2, "r", "99999999x30"}, {0.3, "o", "\u009d0;owned\u0007\u009b31mdone\x1b[c"},
		}},
		{"d5e7f9a1b3c5", asked(alice, gate.OpExec, "shop", "", "git-upload-pack 'app.git'"), permitted("people-work-in-production", "shop.hcl:12"), false, 1800 * time.Millisecond, 0, []event{{0.1, "o", "0000"}}},
		{played, asked(alice, gate.OpShell, "shop", "", ""), permitted("people-work-in-production", "shop.hcl:12"), true, 14*time.Minute + 3*time.Second, 0, []event{
			{0.1, "o", prompt}, {0.6, "o", "l"}, {0.7, "o", "s\r\n"}, {0.8, "o", "\x1b[1;34mapp\x1b[0m  orders.db  orders.db-wal  Rediaccfile\r\n" + prompt},
			{1.3, "o", "sqlite3 orders.db 'select count(*), sum(total) from orders'\r\n"}, {1.6, "o", "48213|1938204.75\r\n" + prompt},
			{1.9, "o", "systemctl --user status | grep -c '\u20ac \u2713 漢字'\r\n0\r\n" + prompt}, {2.2, "o", "exit\r\n"},
		}},
	}
}

// did is what a door writes of an operation on a file. Here a path is as bad as it would be if a door had not escaped it.
func did(f tape.File) string {
	text, err := json.Marshal(f)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// world is a state directory as the warden leaves one: recordings, and an audit log that has their sessions.
func world(t *testing.T) (state string) {
	t.Helper()
	state = t.TempDir()
	log, err := audit.Open(audit.In(state), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	for i, s := range scenes() {
		must(t, log.Decision(s.session, s.request, s.decision))
		must(t, log.Started(s.session, s.request))
		record(t, state, s, time.Now().Add(-time.Duration(len(scenes())-i)*5*time.Hour))
		must(t, log.Ended(s.session, s.request, audit.End{Exited: true, Code: s.code, Took: s.took}))
	}
	return state
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// record writes a recording as the warden and a door do, at the times of a scene.
func record(t *testing.T, state string, s scene, begun time.Time) {
	t.Helper()
	r := s.request
	h := tape.Header{Width: 80, Height: 24, Timestamp: begun.Unix(), Command: gate.Exact(r.Command), Forkgate: tape.About{
		Session: s.session, Begun: begun, Principal: r.Caller.Principal, Kind: r.Caller.Kind.String(), Agent: r.Caller.Agent, Op: string(r.Op), Ref: r.Target.Ref(),
		GUID: r.Target.GUID, Record: "required",
	}}
	if s.terminal {
		h.Env = map[string]string{"TERM": "xterm-256color"}
	}
	text, _, err := h.Begin(nil, nil)
	must(t, err)
	for _, e := range s.events {
		data, err := json.Marshal(e.data)
		must(t, err)
		text = fmt.Appendf(text, "[%f, %q, %s]\n", e.at, e.code, data)
	}
	file := filepath.Join(archive.Dir(state), begun.Format("2006-01-02"), s.session+archive.Extension)
	must(t, os.MkdirAll(filepath.Dir(file), 0o700))
	must(t, os.WriteFile(file, text, 0o600))
}

// serve runs forkgate replay --web, and is the address that it prints. It has to end by itself, and say so.
func serve(t *testing.T, state string) (address string) {
	t.Helper()
	program := filepath.Join(t.TempDir(), "forkgate")
	build := exec.Command("go", "build", "-o", program, "./cmd/forkgate")
	build.Dir = need.Checkout(t)
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	c := exec.Command(program, "replay", "--web", "--state", state)
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	must(t, err)
	must(t, c.Start())
	lines := bufio.NewScanner(out)
	t.Cleanup(func() {
		must(t, c.Process.Signal(syscall.SIGTERM))
		last := ""
		for lines.Scan() {
			last = lines.Text()
		}
		if err := c.Wait(); err != nil || !strings.HasPrefix(last, "ended") {
			t.Errorf("it ended with %v, and said %q", err, last)
		}
	})
	if !lines.Scan() || !strings.HasPrefix(lines.Text(), "http://127.0.0.1:") {
		t.Fatalf("it does not say where it is: %q, %v", lines.Text(), lines.Err())
	}
	return lines.Text()
}
