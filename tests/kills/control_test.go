package kills_test

import (
	"path/filepath"
	"strings"
	"testing"

	"forkgate/tests/need"
)

// sshdLeaves is the control: the same command, by the same client, killed in the same way, at Debian's sshd.
func (s *stage) sshdLeaves(t *testing.T) {
	s.Must(t, "sh", "-ec", `mkdir -p /run/sshd /home/plain/.ssh; useradd --no-create-home --home-dir /home/plain --shell /bin/bash --password '*' plain
		cp `+filepath.Join(s.Dir, "bot.pub")+` /home/plain/.ssh/authorized_keys; chown -R plain: /home/plain
		ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/test_key
		systemd-run --quiet --unit=test-sshd /usr/sbin/sshd -D -e -f /dev/null -p 2200 -h /etc/ssh/test_key -o UsePAM=no
		for i in $(seq 100); do ss -ltn | grep -q :2200 && exit; sleep 0.05; done; exit 1`)
	running := func() string { return s.Must(t, "sh", "-c", "pgrep -u plain -a; true") }
	c := s.start(t, "ssh", "-F", s.config, "-p", "2200", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "plain@far", detach+"cat /dev/zero")
	need.Eventually(t, "the command runs", func() bool {
		return strings.Contains(running(), "cat /dev/zero") && strings.Contains(running(), "sleep 4714")
	})
	c.kill()
	need.Eventually(t, "sshd has noticed", func() bool { return !strings.Contains(running(), "cat /dev/zero") })
	for _, left := range []string{"sleep 4711", "sleep 4712", "sleep 4713", "sleep 4714"} {
		if !strings.Contains(running(), left) {
			t.Errorf("%s does not live on: the tests of forkgate show nothing", left)
		}
	}
	s.Must(t, "pkill", "-KILL", "-u", "plain")
}
