package scripts_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"forkgate/tests/host"
	"forkgate/tests/machine"
)

// ends are commands that end in all the ways in which commands end.
func ends() []string {
	all := []string{
		"true", "false", "no-such-command", "/etc/passwd", "", "exit", "exec true", "echo out; echo err >&2; exit 3", "exit 256", "exit -1",
		"kill -KILL $$", "kill -TERM $$", "kill -INT $$", "kill -HUP $$", "kill -PIPE $$", "kill -ABRT $$", "kill -SEGV $$",
		"kill -USR1 $$", "kill -QUIT $$", "kill -ALRM $$", "kill -BUS $$", "kill -SYS $$", "kill -STKFLT $$", "kill -RTMIN $$",
		"sh -c 'kill -KILL $$'", "sh -c 'exit 9' | cat", "trap 'exit 5' EXIT; false", "ulimit -c; exit 1", "syntax error (",
		"sleep 0.1 & exit 4", "echo late; (sleep 0.2; echo later) & exit 6", "cat; exit 8", "exec 1>&- 2>&-; exit 11",
	}
	for code := range 256 {
		all = append(all, fmt.Sprintf("exit %d", code))
	}
	return all
}

// likeSSHD runs the same commands through forkgate and through Debian's sshd, with the same client on the same host.
func likeSSHD(t *testing.T, h *host.Host) {
	startSSHD(t, h)
	gate := master(t, h, "gate", "-o", "IdentityFile="+filepath.Join(h.Dir, "sshd-agent"), "demo+sshd@gate")
	sshd := master(t, h, "sshd", "-o", "IdentityFile="+filepath.Join(h.Dir, "sshd-agent"), "-p", "2200", "-o", "StrictHostKeyChecking=no",
		"-o", "UserKnownHostsFile=/dev/null", "plain@sshd")
	var table errgroup.Group
	table.SetLimit(6) // sshd has at most 10 sessions a connection
	for _, command := range ends() {
		table.Go(func() error {
			got, want := outcome(t, h, gate, command), outcome(t, h, sshd, command)
			if got != want {
				t.Errorf("%q through forkgate:\n%s\nthrough sshd:\n%s", command, got, want)
			}
			return nil
		})
	}
	_ = table.Wait() // the test has its errors
}

func startSSHD(t *testing.T, h *host.Host) {
	t.Helper()
	h.Must(t, "sh", "-ec", `
		mkdir -p /run/sshd /home/plain/.ssh # an empty home otherwise: no start-up file slows or changes anything
		useradd --no-create-home --home-dir /home/plain --shell /bin/bash --password '*' plain
		cp `+filepath.Join(h.Dir, "sshd-agent.pub")+` /home/plain/.ssh/authorized_keys; chown -R plain: /home/plain
		rm -f /etc/ssh/test_key; ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/test_key
		systemd-run --quiet --unit=test-sshd /usr/sbin/sshd -D -e -f /dev/null -p 2200 -h /etc/ssh/test_key -o UsePAM=no
		for i in $(seq 100); do ss -ltn | grep -q :2200 && exit; sleep 0.05; done; exit 1`)
	t.Cleanup(func() { h.Run(context.Background(), t, "systemctl", "stop", "test-sshd") })
}

// master opens a connection that the sessions of a table share.
func master(t *testing.T, h *host.Host, name string, args ...string) (socket string) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), name)
	r := machine.RunCommand(t, h.SSH(t.Context(), append([]string{"-fNM", "-S", socket, "-o", "LogLevel=ERROR"}, args...)...))
	if r.Code != 0 {
		t.Fatalf("cannot connect to %s: %s", name, r.Stderr)
	}
	t.Cleanup(func() { _ = h.SSH(context.Background(), "-S", socket, "-O", "exit", name).Run() }) // it may be gone already
	return socket
}

// outcome is all that the client's user sees of a command.
func outcome(t *testing.T, h *host.Host, socket, command string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	c := h.SSH(ctx, "-T", "-S", socket, "-o", "ControlMaster=no", "any", command)
	c.Stdin = strings.NewReader("input\n")
	r := machine.RunCommand(t, c)
	return fmt.Sprintf("exit code %d\nstdout %q\nstderr %q", r.Code, r.Stdout, r.Stderr)
}
