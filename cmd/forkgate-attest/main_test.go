package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"forkgate/tests/need"
)

// try runs a command line as a user would.
func try(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, complaint bytes.Buffer
	code = run(context.Background(), args, strings.NewReader(""), &out, &complaint)
	return out.String(), complaint.String(), code
}

// What goes wrong is one line that says what to do.
func TestComplaints(t *testing.T) {
	need.Root(t)
	dir := t.TempDir()
	file := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	if err := os.Mkdir(dir+"/empty", 0o755); err != nil {
		t.Fatal(err)
	}
	agents := file("agents.hcl", "agent \"Claude Code\" {\n  comm = [\"claude\"]\n}\n", 0o644)
	nobody := file("nobody.hcl", "", 0o644)
	good := file("good.hcl", "agents = \""+agents+"\"\n", 0o644)
	example, err := os.ReadFile("../../packaging/attest/attest.hcl.example")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"whoam"}, "whoam"},
		{[]string{"docs"}, "1 arg"},
		{[]string{"whoami", "now"}, "now"},
		{[]string{"whoami", "--socket", dir + "/none"}, "systemctl status forkgate-attest"},
		{[]string{"check", "--config", dir + "/none"}, "no such file"},
		{[]string{"check", "--config", dir + "/empty"}, "is a directory"},
		{[]string{"check", "--config", file("open.hcl", "", 0o666)}, "chmod go-w"},
		{[]string{"check", "--config", file("bad.hcl", "gates = 1\n", 0o644)}, "bad.hcl:1"},
		{[]string{"check", "--config", file("alone.hcl", "agents = \"/nowhere\"\n", 0o644)}, "/nowhere"},
		{[]string{"check", "--config", file("all.hcl", "agents = \""+nobody+"\"\n", 0o644)}, "everybody would be a person"},
		{[]string{"init", "--key", dir + "/key", "--principal", "alice=1000"}, "use --principal 1000=alice"},
		{[]string{"init", "--key", dir + "/key", "--principal", "1000=Al Ice"}, "is no principal"},
		{[]string{"init", "--key", dir + "/key"}, "--principal 1000=alice"},
		{[]string{"init", "--key", dir + "/key", "--principal", "1000=alice", "--name", "bad\nname"}, "use --name NAME"},
		{[]string{"init", "--key", dir + "/key", "--principal", "1000=alice", "--name", strings.Repeat("x", 254)}, "1 to 253 bytes"},
		{[]string{"check", "--config", file("untouched.hcl", string(example), 0o644)}, "hostkeys/*.pub"},
		{[]string{"run", "--config", good, "--key", dir + "/none"}, "forkgate-attest init"},
		{[]string{"mark", "x"}, "process id"},
	} {
		stdout, stderr, code := try(t, c.args...)
		if code != exitFailed || stdout != "" || strings.Count(stderr, "\n") != 1 || !strings.HasPrefix(stderr, "forkgate-attest: ") || !strings.Contains(stderr, c.says) {
			t.Errorf("%q: %d, %q, %q; want %q", c.args, code, stdout, stderr, c.says)
		}
	}
	if _, err := os.Stat(dir + "/key"); err == nil {
		t.Error("a key was made for a command that failed")
	}
	if stdout, stderr, code := try(t, "check", "--config", good); code != 0 || stdout != "0 gates, 1 agent\n" || stderr != "" {
		t.Errorf("good: %d, %q, %q", code, stdout, stderr)
	}
	// What makes a person of each agent is no mistake, and has to be meant.
	open := file("tmux.hcl", "agents = \""+agents+"\"\nhosts = [\"/usr/bin/tmux\", \"/usr/bin/foot\"]\nlogins = [\"/usr/sbin/sshd\"]\n", 0o644)
	stdout, stderr, code := try(t, "check", "--config", open)
	if code != 0 || stdout != "0 gates, 1 agent\n" || strings.Count(stderr, "\n") != 2 ||
		!strings.HasPrefix(stderr, "warning: hosts names /usr/bin/tmux: ") || !strings.Contains(stderr, "\nwarning: logins names /usr/sbin/sshd: ") {
		t.Errorf("open to all: %d, %q, %q", code, stdout, stderr)
	}
}

// The manual page says by which exit codes a script knows what came of a command.
func TestExitCodesAreInTheManual(t *testing.T) {
	dir := t.TempDir()
	if _, stderr, code := try(t, "docs", dir); code != 0 {
		t.Fatal(stderr)
	}
	page, err := os.ReadFile(filepath.Join(dir, "man1/forkgate-attest.1"))
	if want := fmt.Sprintf("The exit code is 0, or %d where", exitFailed); err != nil || !strings.Contains(string(page), want) {
		t.Errorf("%v; no %q in\n%s", err, want, page)
	}
}

func TestEveryCommandIsDescribed(t *testing.T) {
	for _, c := range append([]*cobra.Command{commands()}, commands().Commands()...) {
		if c.Short == "" || c.Args == nil {
			t.Errorf("%s lacks a summary or a check of its arguments", c.CommandPath())
		}
	}
}
