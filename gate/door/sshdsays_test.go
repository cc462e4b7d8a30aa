package door

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"forkgate/gate"
)

func TestDestination(t *testing.T) {
	for _, test := range []struct {
		fixed, command string
		place          string
		op             gate.Op
		runs           string
		refused        string
	}{
		{"", "demo+x", "demo+x", gate.OpShell, "", ""},
		{"", "demo+x make  test", "demo+x", gate.OpExec, "make  test", ""},
		{"", "  demo:x  'a b'", "demo:x", gate.OpExec, "'a b'", ""},
		{"", "demo id", "demo", gate.OpExec, "id", ""},
		{"", "forks --json", "gate", gate.OpExec, "forks --json", ""},
		{"", "help", "gate", gate.OpExec, "help", ""},
		{"", "demo+x /usr/lib/openssh/sftp-server", "demo+x", gate.OpSFTP, "", ""},
		{"", "", "", "", "", "leads to no fork of its own"},
		{"", "../x id", "", "", "", "names no repository or fork"},
		{"", "scp -t .", "", "", "", "scp does not say which fork"},
		{"", "git-upload-pack 'x'", "", "", "", "does not say which fork"},
		{"", "/usr/lib/openssh/sftp-server", "", "", "", "does not say which fork"},
		{"", "internal-sftp", "", "", "", "does not say which fork"},
		{"demo+ci", "", "demo+ci", gate.OpShell, "", ""},
		{"demo+ci", "forks", "demo+ci", gate.OpExec, "forks", ""},
		{"demo+ci", "demo+x id", "demo+ci", gate.OpExec, "demo+x id", ""},
		{"demo+ci", "scp -t .", "demo+ci", gate.OpExec, "scp -t .", ""},
		{"demo+ci", "/usr/lib/openssh/sftp-server", "demo+ci", gate.OpSFTP, "", ""},
		{"demo+ci", "/usr/lib/openssh/sftp-server -R", "demo+ci", gate.OpExec, "/usr/lib/openssh/sftp-server -R", ""},
	} {
		place, j, err := destination(test.fixed, test.command)
		refusal, refused := gate.AsRefusal(err)
		switch {
		case refused != (test.refused != "") || refused && (!strings.Contains(refusal.Reason, test.refused) || refusal.Hint == ""):
			t.Errorf("%q, %q: %v", test.fixed, test.command, err)
		case place != test.place || j.op != test.op || string(j.command) != test.runs:
			t.Errorf("%q, %q leads to %q, %s %q", test.fixed, test.command, place, j.op, j.command)
		}
	}
}

// What sshd sets is no mark; all that it took from the client is one.
func TestWhatSSHDSaysIsToldFromWhatTheClientSent(t *testing.T) {
	var f Forced
	f.read([]string{"USER=build", "SSH_CONNECTION=192.0.2.1 4000 192.0.2.2 22", "SSH_USER_AUTH=/tmp/x", "CLAUDECODE=1", "LANG=C.UTF-8", "AGENT=", "odd"})
	if got := string(bytes.Join(f.marks.marks, []byte(" "))); got != "CLAUDECODE=1 LANG=C.UTF-8 AGENT= odd=" {
		t.Errorf("marks: %q", got)
	}
	if got := string(bytes.Join(f.marks.session, []byte(" "))); got != "LANG=C.UTF-8" {
		t.Errorf("the session has %q", got)
	}
	if f.env["SSH_USER_AUTH"] != "/tmp/x" || source(f.env["SSH_CONNECTION"]).String() != "192.0.2.1:4000" {
		t.Errorf("sshd says %q", f.env)
	}
	for _, nonsense := range []string{"", "x", "192.0.2.1", "192.0.2.1 99999", "x 1 y 2"} {
		if a := source(nonsense); a.IsValid() {
			t.Errorf("%q comes from %s", nonsense, a)
		}
	}
}

func TestHintsNameWhatWorksHere(t *testing.T) {
	f := Forced{}
	f.reply.Account = "build"
	for at, here := range map[string]string{
		"hint: ssh gate@host repos":                   "hint: ssh build@host repos",
		"hint: agents work in forks: ssh demo+x@host": "hint: agents work in forks: ssh build@host demo+x",
		"no hint": "no hint",
	} {
		if got := f.here(at); got != here {
			t.Errorf("%q is %q", at, got)
		}
		if tied := (&Forced{Ref: "demo+x", reply: f.reply}).here(at); tied != at {
			t.Errorf("with a ref of its own, %q is %q", at, tied)
		}
	}
}

// What callers asked for stays as it is, byte for byte, where it is shown to be approved.
func TestWhatIsQuotedIsNoHint(t *testing.T) {
	for word, want := range map[string]bool{"grants": true, "challenge": true, "approve": true, "revoke": false, "nonsense": false, "help": false, "fork": false} {
		if got := quotes([][]byte{[]byte(word), []byte("x")}); got != want {
			t.Errorf("%s: %t", word, got)
		}
	}
}

// The file is read as sshd writes it, and not if it is anything else.
func TestWhoSignedIn(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := write("good", "publickey ssh-ed25519 AAAA\npassword\npublickey ssh-rsa AAAB comment\npublickey ssh-rsa ###\n", 0o600)
	if keys, err := signers(good); err != nil || len(keys) != 3 || !bytes.Equal(keys[0], []byte{0, 0, 0}) || !bytes.Equal(keys[1], []byte{0, 0, 1}) || keys[2] != nil {
		t.Errorf("got %v, %v", keys, err)
	}
	if keys, err := signers(""); keys != nil || err != nil {
		t.Errorf("without ExposeAuthInfo: %v, %v", keys, err)
	}
	link, fifo := filepath.Join(dir, "link"), filepath.Join(dir, "fifo")
	if err := os.Symlink(good, link); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{link, fifo, dir, filepath.Join(dir, "gone"), write("open", "", 0o644), "/etc/passwd"} {
		if keys, err := signers(path); err == nil {
			t.Errorf("%s is read: %v", path, keys)
		}
	}
}

// Whatever sshd hands on of a client's making ends in a place and a job, or in a refusal.
func FuzzForced(f *testing.F) {
	f.Add("", "demo+x id", "publickey ssh-ed25519 AAAA\n", "192.0.2.1 1 192.0.2.2 22", "CLAUDECODE=1")
	f.Add("demo+x", "/usr/lib/openssh/sftp-server", "password\n", "::1 1", "=")
	f.Fuzz(func(t *testing.T, fixed, command, auth, connection, entry string) {
		place, j, err := destination(fixed, command)
		if _, refused := gate.AsRefusal(err); err != nil && !refused {
			t.Errorf("%q, %q: %v", fixed, command, err)
		}
		if err == nil && (place == "" || j.op == "") {
			t.Errorf("%q, %q leads to %q, %+v", fixed, command, place, j)
		}
		if fixed != "" && place != fixed {
			t.Errorf("%q leads to %q instead of %q", command, place, fixed)
		}
		parseAuthInfo(auth)
		source(connection)
		var forced Forced
		forced.read([]string{entry})
	})
}
