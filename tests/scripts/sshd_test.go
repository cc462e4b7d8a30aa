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
	return []string{
		"true", "false", "no-such-command", "/etc/passwd", "", "exit", "exec true", "echo out; echo err >&2; exit 3", "exit 256", "exit -1",
		"kill -KILL $$", "kill -TERM $$", "kill -INT $$", "kill -HUP $$", "kill -PIPE $$", "kill -ABRT $$", "kill -SEGV $$",
		"kill -USR1 $$", "kill -QUIT $$", "kill -ALRM $$", "kill -BUS $$", "kill -SYS $$", "kill -STKFLT $$", "kill -RTMIN $$",
		"sh -c 'kill -KILL $$'", "sh -c 'exit 9' | cat", "trap 'exit 5' EXIT; false", "ulimit -c; exit 1", "syntax error (",
		"sleep 0.1 & exit 4", "echo late; (sleep 0.2; echo later) & exit 6", "cat; exit 8", "exec 1>&- 2>&-; exit 11",
	}
}

// codes are commands that exit with every so many'th code.
func codes(every int) (all []string) {
	for code := 0; code < 256; code += every {
		all = append(all, fmt.Sprintf("exit %d", code))
	}
	return all
}

// endsOnTerminal are commands that end on a terminal, and what that is like.
func endsOnTerminal() []string {
	return []string{
		"true", "exit 7", "exit 255", "kill -TERM $$", "kill -KILL $$", "kill -INT $$", "kill -HUP $$", "no-such-command",
		// A client without a terminal sends a speed of 0, which sshd sets; the speed's length decides where stty breaks its lines.
		`stty -a | sed 's/^speed.*baud//' | tr '\n' ' '`,
		"tty | cut -c1-9", "echo out; echo err >&2; exit 3", "read line; echo got $line", "test -t 0 && test -t 1 && test -t 2 && echo all",
		"trap 'exit 12' INT; kill -INT $$; sleep 1", "(sleep 0.1; echo late) & exit 4", "ps -o tpgid= -p $$ | grep -q '[1-9]' && echo foreground",
	}
}

// likeSSHD runs the same commands through forkgate and through Debian's sshd, with the same client on the same host.
func likeSSHD(t *testing.T, h *host.Host) {
	startSSHD(t, h)
	gate := master(t, h, "gate", "-o", "IdentityFile="+filepath.Join(h.Dir, "sshd-agent"), "demo+sshd@gate")
	sshd := master(t, h, "sshd", "-o", "IdentityFile="+filepath.Join(h.Dir, "sshd-agent"), "-p", "2200", "-o", "StrictHostKeyChecking=no",
		"-o", "UserKnownHostsFile=/dev/null", "plain@sshd")
	var table errgroup.Group
	table.SetLimit(6) // sshd has at most 10 sessions a connection
	compare := func(terminal, command string) {
		table.Go(func() error {
			got, want := outcome(t, h, gate, terminal, command), outcome(t, h, sshd, terminal, command)
			if got != want {
				t.Errorf("%q with %s through forkgate:\n%s\nthrough sshd:\n%s", command, terminal, got, want)
			}
			return nil
		})
	}
	for _, command := range append(ends(), codes(1)...) {
		compare("-T", command)
	}
	for _, command := range endsOnTerminal() {
		compare("-tt", command)
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
func outcome(t *testing.T, h *host.Host, socket, terminal, command string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	c := h.SSH(ctx, terminal, "-S", socket, "-o", "ControlMaster=no", "any", command)
	c.Stdin = strings.NewReader("input\n")
	r := machine.RunCommand(t, c)
	return fmt.Sprintf("exit code %d\nstdout %q\nstderr %q", r.Code, r.Stdout, r.Stderr)
}
