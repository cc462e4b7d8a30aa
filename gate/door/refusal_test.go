package door_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"forkgate/gate"
	"forkgate/gate/door"
	"forkgate/gate/door/doortest"
	"forkgate/gate/warden/client"
	"forkgate/tests/need"
)

// A refusal is text on stderr and 254, with every kind of request; a failure is 255 with a session to quote.
func TestRefused(t *testing.T) {
	need.Tools(t, "ssh", "sftp")
	p := open(t, refuseAll)
	const text = "forkgate: not here\nhint: elsewhere\n"
	for _, args := range [][]string{{"host", "echo in"}, {"-T", "host"}, {"-s", "host", "sftp"}} {
		want := outcome{254, "", text}
		if diff := cmp.Diff(want, run(t, p.ssh("ssh", append([]string{"-l", "demo"}, args...)...), "")); diff != "" {
			t.Errorf("%q: %s", args, diff)
		}
	}
	if got := run(t, p.ssh("sftp", "-b", "-", "demo@host"), "ls\n"); !strings.Contains(got.Stderr, text) {
		t.Errorf("sftp shows %+v", got)
	}
}

// Who speaks a protocol with what he asked for is refused in that as well: the old scp, whose error is on its standard output, and SFTP.
func TestRefusedInKind(t *testing.T) {
	need.Tools(t, "ssh", "scp")
	p := open(t, refuseAll)
	if err := os.WriteFile(p.dir+"/file", []byte("in"), 0o600); err != nil {
		t.Fatal(err)
	}
	const text, line = "forkgate: not here\nhint: elsewhere\n", "forkgate: not here (hint: elsewhere)\n"
	for _, args := range [][]string{{p.dir + "/file", "demo@host:file"}, {"demo@host:file", p.dir + "/got"}} {
		if got := run(t, p.ssh("scp", append([]string{"-O"}, args...)...), ""); got.Code != 1 || strings.Count(got.Stderr, "not here") != 1 || !strings.Contains(got.Stderr, text) || !strings.Contains(got.Stderr, "scp: refused\n") {
			t.Errorf("scp %q: %+v", args, got)
		}
	}
	const asks = "\x00\x00\x00\x05\x01\x00\x00\x00\x03" + "\x00\x00\x00\x0a\x11\x00\x00\x00\x07\x00\x00\x00\x01." // a version, and stat of . as request 7
	got := run(t, p.ssh("ssh", "-l", "demo", "-s", "host", "sftp"), asks)
	if got.Code != 254 || !strings.Contains(got.Stdout, "\x65\x00\x00\x00\x07\x00\x00\x00\x03\x00\x00\x00\x24"+strings.TrimSpace(line)) {
		t.Errorf("sftp: %+v", got)
	}
}

func TestFailed(t *testing.T) {
	need.Tools(t, "ssh")
	p := open(t, func(w *doortest.Warden, _ *door.Config) {
		w.Judge = func(client.AssertRequest, client.OpenRequest) error { return errors.New("secret detail") }
	})
	got := run(t, p.ssh("ssh", "-l", "demo", "host", "echo in"), "")
	if got.Code != 255 || got.Stdout != "" || !strings.Contains(got.Stderr, "session fake-failed") || strings.Contains(got.Stderr, "secret") {
		t.Errorf("%+v", got)
	}
}

// A pod that dies under a session which was about to begin is no failure of the gate's, and the session may have run.
func TestEndedAsItBegan(t *testing.T) {
	need.Tools(t, "ssh")
	p := open(t, func(w *doortest.Warden, _ *door.Config) {
		w.Judge = func(client.AssertRequest, client.OpenRequest) error {
			return &client.Failed{Session: "fake-ended", Ended: true}
		}
	})
	want := outcome{255, "", "forkgate: the session was ended from outside, session fake-ended\n"}
	if diff := cmp.Diff(want, run(t, p.ssh("ssh", "-l", "demo", "host", "echo in"), "")); diff != "" {
		t.Error(diff)
	}
}

// A session that fails hears which limits it ran into, one that does not fail hears nothing.
func TestLimitsThatWereHit(t *testing.T) {
	need.Tools(t, "ssh")
	p := open(t, func(w *doortest.Warden, _ *door.Config) {
		w.Struck = client.StruckReply{Limits: []string{"demo:x reached its memory limit", "demo:x is at its quota"}, Hint: "show"}
	})
	const text = "forkgate: demo:x reached its memory limit\nforkgate: demo:x is at its quota\nhint: show\n"
	for command, want := range map[string]outcome{
		"exit 137": {137, "", text}, "echo in; exit 1": {1, "in\n", text}, "echo in": {0, "in\n", ""},
	} {
		if diff := cmp.Diff(want, run(t, p.ssh("ssh", "-l", "demo", "host", command), "")); diff != "" {
			t.Errorf("%s: %s", command, diff)
		}
	}
}

// An unknown key hears what sshd says, and no more.
func TestUnknownKey(t *testing.T) {
	need.Tools(t, "ssh")
	p := open(t)
	p.newKey("key") // in place of the one that the warden knows
	if diff := cmp.Diff(outcome{255, "", "demo@127.0.0.1: Permission denied (publickey).\r\n"},
		run(t, p.ssh("ssh", "-l", "demo", "host", "true"), "")); diff != "" {
		t.Error(diff)
	}
}

func TestControlWords(t *testing.T) {
	need.Tools(t, "ssh", "sftp")
	p := open(t, func(w *doortest.Warden, _ *door.Config) {
		w.Verb = func(who client.AssertRequest, q client.VerbRequest) ([]byte, error) {
			if string(q.Words[0]) == "rm" {
				return nil, &gate.Refusal{Reason: "not yours"}
			}
			var words []string
			for _, w := range q.Words {
				words = append(words, string(w))
			}
			text := strings.Join(words, "|")
			if q.JSON {
				text += " json"
			}
			return []byte(text + "\n"), nil
		}
	})
	for _, row := range []struct {
		args []string
		want outcome
	}{
		{[]string{"whoami"}, outcome{0, "whoami\n", ""}},
		{[]string{"-T"}, outcome{0, "help\n", ""}},
		{[]string{"show --json"}, outcome{0, "show json\n", ""}},
		{[]string{"fork", "demo", "'a b'", "--json"}, outcome{0, "fork|demo|a b json\n", ""}},
		{[]string{"rm demo:x"}, outcome{254, "", "forkgate: not yours\n"}},
		{[]string{"forks; reboot"}, outcome{254, "", "forkgate: the line cannot be read: ; means something to a shell only\nhint: ssh gate@host help\n"}},
	} {
		args := append([]string{"-l", "gate", "host"}, row.args...)
		if row.args[0] == "-T" {
			args = []string{"-T", "-l", "gate", "host"}
		}
		cmd := p.ssh("ssh", args...)
		cmd.Env = append(os.Environ(), "CLAUDECODE=1")
		if diff := cmp.Diff(row.want, run(t, cmd, "")); diff != "" {
			t.Errorf("%q: %s", row.args, diff)
		}
	}
	if got := run(t, p.ssh("sftp", "-b", "-", "gate@host"), "ls\n"); !strings.Contains(got.Stderr, "has no files") {
		t.Errorf("sftp: %+v", got)
	}
	if marks := p.warden.Seen().Verbs[0].Marks; len(marks) == 0 || !strings.Contains(string(marks[0])+string(marks[len(marks)-1]), "CLAUDECODE=1") {
		t.Errorf("marks: %q", marks)
	}
	if n := len(p.warden.Seen().Opened); n != 0 {
		t.Errorf("%d sessions were opened", n)
	}
}
