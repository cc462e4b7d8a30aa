package scripts_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/rogpeppe/go-internal/testscript"

	"forkgate/gate/policy"
	policyd "forkgate/policy.d"
	"forkgate/tests/host"
)

// forcedAccounts are the host's accounts in the stories of sshd's door, and whose they are. Those with a shell of their own are the
// controls: attacks that come to nothing elsewhere work there.
var forcedAccounts = []struct {
	name, shell, home string
	member            bool     // of the group that the drop-in is for
	keys              []string // may log in, by sshd's own word
	principals        []string // speak by it, by policy
}{
	{name: "build", shell: "/usr/bin/forkgate", home: "/", member: true, keys: []string{"agent", "person", "rival", "stranger"}, principals: []string{"agent", "person"}},
	{name: "tied", shell: "/usr/bin/forkgate", home: "/", member: true, keys: []string{"agent"}, principals: []string{"agent"}},
	{name: "nobodys", shell: "/usr/bin/forkgate", home: "/", member: true, keys: []string{"agent"}},
	{name: "unforced", shell: "/usr/bin/forkgate", home: "/", keys: []string{"agent"}, principals: []string{"agent"}},
	{name: "bash", shell: "/bin/bash", home: "/home/bash", member: true, keys: []string{"agent"}, principals: []string{"agent"}},
	{name: "open", shell: "/bin/bash", home: "/home/open", keys: []string{"agent", "rival"}, principals: []string{"agent", "rival"}},
}

// byAccounts says which accounts the principals of the stories have.
func byAccounts(t *testing.T, o *host.Options) {
	o.Accounts = map[string][]string{}
	for _, file := range files(t, "forced") {
		for _, account := range forcedAccounts {
			for _, role := range account.principals {
				name := story(file) + "-" + role
				o.Accounts[name] = append(o.Accounts[name], account.name)
			}
		}
	}
}

// startForced sets the host's own sshd up as the drop-in says, with Debian's configuration around it, on a port of its own.
func startForced(t *testing.T, h *host.Host) {
	t.Helper()
	script := "mkdir -p /run/sshd /etc/forkgate/authorized_keys\n" +
		"cp /usr/share/doc/forkgate/sshd_config.d/forkgate.conf /etc/ssh/sshd_config.d/\n" +
		"printf 'Match User tied\\n    ForceCommand /usr/bin/forkgate session --repo demo+tied\\n' >/etc/ssh/sshd_config.d/f-before.conf\n" +
		// The controls have what the drop-in takes away.
		"printf 'Match User open\\n    ExposeAuthInfo yes\\n    AuthorizedKeysFile /etc/forkgate/authorized_keys/%%u\\n" +
		"Match User unforced\\n    AuthorizedKeysFile /etc/forkgate/authorized_keys/%%u\\n' >/etc/ssh/sshd_config.d/open.conf\n"
	for _, account := range forcedAccounts {
		script += fmt.Sprintf("useradd --no-create-home --home-dir %s --shell %s --password '*' %s\n", account.home, account.shell, account.name)
		if account.member {
			script += "usermod -aG forkgate-accounts " + account.name + "\n"
		}
		if account.home != "/" {
			script += fmt.Sprintf("mkdir -p %[1]s/.ssh; chown -R %[2]s: %[1]s\n", account.home, account.name)
		}
		for _, key := range account.keys {
			script += fmt.Sprintf("cat %s >>/etc/forkgate/authorized_keys/%s\n", filepath.Join(h.Dir, "*-"+key+".pub"), account.name)
		}
	}
	h.Must(t, "sh", "-ec", script+`
		rm -f /etc/ssh/forced_key; ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/forced_key
		sshd -t -h /etc/ssh/forced_key
		systemctl reload forkgate-warden # now the accounts are there
		systemd-run --quiet --unit=forced-sshd /usr/sbin/sshd -D -e -p 2201 -h /etc/ssh/forced_key
		for i in $(seq 100); do ss -ltn | grep -q :2201 && exit; sleep 0.05; done; exit 1`)
	t.Cleanup(func() { h.Run(context.Background(), t, "systemctl", "stop", "forced-sshd") })
	known, err := os.OpenFile(filepath.Join(h.Dir, "known_hosts"), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer known.Close()
	fmt.Fprintf(known, "[%s]:2201 %s\n", host.Address, h.Must(t, "cat", "/etc/ssh/forced_key.pub"))
}

// forced tells the stories of the host's own sshd, and compares it with the gate.
func forced(t *testing.T, h *host.Host, f *forge) {
	startForced(t, h)
	for _, file := range files(t, "forced") {
		t.Run("stories", func(t *testing.T) { testscript.Run(t, params(h, f, file)) })
		h.Must(t, "sh", "-ec", "rm -f /etc/forkgate/policy.d/story.hcl; systemctl reload forkgate-warden")
	}
	t.Run("like the gate", func(t *testing.T) { forcedLikeGate(t, h) })
}

// forcedLikeGate runs the same commands through the gate and through sshd and forkgate session, in the same fork, with the same client.
func forcedLikeGate(t *testing.T, h *host.Host) {
	key := "IdentityFile=" + filepath.Join(h.Dir, "forced-agent")
	gate := master(t, h, "gate", "-o", key, "demo+tied@gate")
	sshd := master(t, h, "sshd", "-o", key, "-p", "2201", "tied@sshd")
	var table errgroup.Group
	table.SetLimit(6)
	for _, c := range []struct {
		terminal string
		commands []string
	}{{"-T", append(ends(), codes(17)...)}, {"-tt", endsOnTerminal()}} {
		for _, command := range c.commands {
			table.Go(func() error {
				got, want := outcome(t, h, sshd, c.terminal, command), outcome(t, h, gate, c.terminal, command)
				if got != want {
					t.Errorf("%q with %s through sshd and forkgate session:\n%s\nthrough the gate:\n%s", command, c.terminal, got, want)
				}
				return nil
			})
		}
	}
	_ = table.Wait() // the test has its errors
}

// The drop-in takes in every variable that the shipped data knows agents by.
func TestTheDropInTakesAllMarks(t *testing.T) {
	text, err := os.ReadFile("../../packaging/sshd_config.d/forkgate.conf")
	if err != nil {
		t.Fatal(err)
	}
	accepted := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		if words := strings.Fields(line); len(words) > 1 && words[0] == "AcceptEnv" {
			for _, name := range words[1:] {
				accepted[name] = true
			}
		}
	}
	agents, err := policy.LoadAgents(policy.FS{FS: policyd.Files()})
	if err != nil || len(agents) < 20 {
		t.Fatalf("%d agents, %v", len(agents), err)
	}
	for _, agent := range agents {
		for _, mark := range append(agent.Env, agent.Mixed...) {
			if !accepted[mark.Name] {
				t.Errorf("sshd would not take %s, a mark of %s", mark.Name, agent.Name)
			}
		}
	}
}
