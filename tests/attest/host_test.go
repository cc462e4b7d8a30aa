package attest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"forkgate/tests/host"
)

// production is a host of forkgate's that knows the workstation, and has two repositories.
type production struct {
	*host.Host
	w *workstation
}

// enrol makes a workstation and a host known to each other as their operators do: by the block that init prints, and the host's keys.
func enrol(t *testing.T) production {
	t.Helper()
	h := host.Start(t, host.Options{})
	h.Must(t, "sh", "-ec", "mkdir -p /root/data; echo orders >/root/data/orders.txt")
	for _, name := range []string{"demo", "shop"} {
		h.Repo(t, name, "/root/data")
	}
	w := newWorkstation(t)
	w.configure(t, fmt.Sprintf("gate \"production\" {\n  patterns = [\"production\"]\n  host_keys = [%s]\n  principals = { \"%d\" = \"alice\" }\n}\n", hostKeys(t, h), uid))
	config, err := os.ReadFile(filepath.Join(w.dir, "ssh_config"))
	must(t, err)
	w.write(t, "ssh_config", "%sHost production\n    HostName %s\n    Port %s\n    StrictHostKeyChecking no\n    UserKnownHostsFile /dev/null\n    LogLevel ERROR\n    BatchMode yes\n",
		config, host.Address, host.Port)
	w.daemon(t)
	return production{h, w}
}

func hostKeys(t *testing.T, h *host.Host) string {
	var keys []string
	for line := range strings.Lines(h.Must(t, "sh", "-c", "cat /var/lib/forkgate/hostkeys/*.pub") + "\n") {
		if key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(line)); err == nil {
			keys = append(keys, fmt.Sprintf("%q", strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))))
		}
	}
	return strings.Join(keys, ", ")
}

// knows puts the workstation, and alice, into the host's policy. The block is what init prints.
func (p production) knows(t *testing.T, alice string) {
	t.Helper()
	block, err := exec.Command(filepath.Join(p.w.dir, "forkgate-attest"), "init", "--key", filepath.Join(p.w.dir, "key"), "--name", "laptop",
		"--principal", fmt.Sprintf("%d=alice", uid)).Output()
	must(t, err)
	must(t, os.WriteFile(filepath.Join(p.Root(), "etc/forkgate/policy.d/laptop.hcl"), []byte("principal \"alice\" {\n  keys = ["+alice+"]\n}\n"+string(block)), 0o644))
	p.Must(t, "sh", "-ec", "forkgate policy check; systemctl reload forkgate-warden")
}

// login logs alice in where the host can be reached.
func (p production) login(t *testing.T) *person {
	return p.w.login(t, "nsenter", "--net="+p.NetNS(), "--")
}

func TestProduction(t *testing.T) {
	p := enrol(t)
	someone := p.login(t)
	someone.types("ssh-keygen -q -t ed25519 -N '' -f ~/own-key")
	line, err := os.ReadFile(filepath.Join(p.w.home, "own-key.pub"))
	must(t, err)
	p.knows(t, fmt.Sprintf("%q", strings.TrimSpace(string(line))))

	const demo, shop = "ssh -n -F ssh_config demo@production id", "ssh -n -F ssh_config shop@production id"
	const leave = "export REDIACC_ALLOW_GRAND_REPO=demo; "
	const docker = "ssh -n -F ssh_config demo@production 'id; echo $DOCKER_HOST'"
	for _, test := range []struct{ name, command, want string }{
		{"a person", demo, "uid=7111(rediacc)"},
		{"scp", "scp -q -F ssh_config demo@production:orders.txt ~/; tr a-z A-Z <~/orders.txt", "ORDERS"},
		{"sftp", "rm ~/orders.txt; echo get orders.txt $HOME/orders.txt | sftp -q -F ssh_config demo@production; tr a-z A-Z <~/orders.txt", "ORDERS"},
		{"rsync", "rm ~/orders.txt; rsync -e 'ssh -F ssh_config' demo@production:orders.txt ~/orders.txt; tr a-z A-Z <~/orders.txt", "ORDERS"},
		{"git", "ssh -n -F ssh_config demo@production 'git init -q --bare -b main project.git; pwd' >~/place; GIT_SSH_COMMAND=\"ssh -F $PWD/ssh_config\" git ls-remote demo@production:project.git && echo REACHED", "REACHED"},
		{"an agent's scp", "./claude scp -q -F ssh_config demo@production:orders.txt ~/", "agents work in forks"},
		{"an agent's sftp", "echo ls | ./claude sftp -q -F ssh_config demo@production", "agents work in forks"},
		{"an agent's rsync", "./claude rsync -e 'ssh -F ssh_config' demo@production:orders.txt ~/", "agents work in forks"},
		{"an agent's git", "GIT_SSH_COMMAND=\"ssh -F $PWD/ssh_config\" ./claude git ls-remote demo@production:project.git", "agents work in forks"},
		{"a shell", "echo 'id; exit' | ssh -T -F ssh_config demo@production", "uid=7111(rediacc)"},
		{"whoami", "ssh -n -F ssh_config gate@production whoami", "class 3: attested"},
		{"an agent", "./claude " + demo, "agents work in forks"},
		{"an agent by its variable", "CLAUDECODE=1 " + demo, "agents work in forks"},
		{"an agent with nothing left in its environment", "./claude env -i " + demo, "agents work in forks"},
		{"an agent with alice's own key", "./claude ssh -n -F ssh_config -o IdentityAgent=none -i ~/own-key demo@production id", "agents work in forks"},
		{"an agent's fork", "./claude ssh -n -F ssh_config demo+try@production id", "uid=7111(rediacc)"},
		{"a shared connection", "ssh -n -F ssh_config -M -S ~/mux demo@production id", "others could use this connection"},
		{"an agent rides on a person's connection", "ssh -fNM -F ssh_config -S ~/ride demo@production; ./claude ssh -n -F ssh_config -S ~/ride demo@production id", "others could use this connection"},
		{"without the attestor", "ssh -n -F ssh_config -o IdentityAgent=none -i ~/own-key gate@production whoami", "IdentityAgent /run/forkgate/attest.sock"},
		{"leave that an agent gives itself", "./claude env REDIACC_ALLOW_GRAND_REPO=demo " + demo, "an agent cannot give itself one"},
		{"leave while the agent runs", "./claude bash -c 'export REDIACC_ALLOW_GRAND_REPO=demo; ./claude $0 $*' " + demo, "an agent cannot give itself one"},
		{"leave, the agent restarted", "./claude true; " + leave + "./claude " + docker, "uid=7111(rediacc)"},
		{"leave, and its Docker", leave + "./claude " + docker, "unix:///var/run/rediacc/docker-"},
		{"leave, and another repository", leave + "./claude " + shop, "leave for other repositories, and none for shop"},
		{"leave for everything", "export REDIACC_ALLOW_GRAND_REPO='*'; ./claude " + demo, "is not well-formed"},
		{"leave for one without a name", leave + "CLAUDECODE=1 bash -c '$0 $*; true' " + demo, "knows it by a variable alone"},
		{"a script that an interpreter runs with options", "echo '\"$@\"; true' >~/gemini; bash --norc ~/gemini env -i " + demo, "agents work in forks"},
		{"leave that was rewritten",
			"export PADDING=$(printf %0100d 0); ./claude bash -c './rewrite.py $PPID REDIACC_ALLOW_GRAND_REPO=demo && $0 $*; true' " + demo, "an agent cannot give itself one"},
		{"leave without an attestor", leave + "./claude ssh -n -F ssh_config -o SendEnv=REDIACC_* -o IdentityAgent=none -i ~/own-key demo@production id", "nobody attests"},
	} {
		t.Run(test.name, func(t *testing.T) {
			said := p.login(t).types(test.command)
			// Leave counts where the attestor has looked at the program within 100 ms of its start: on a machine that is busier than that it says no.
			for again := 0; again < 2 && strings.HasPrefix(test.name, "leave") && !strings.Contains(said, test.want) && strings.Contains(said, "no person's leave"); again++ {
				said = p.login(t).types(test.command)
			}
			if !strings.Contains(said, test.want) || strings.HasPrefix(test.want, "uid=") && strings.Contains(said, "forkgate:") {
				t.Errorf("%s\nsays %q\nwant %q", test.command, said, test.want)
			}
		})
	}
	if audit := p.Must(t, "grep", `"override":"demo"`, "/var/lib/forkgate/audit/audit.jsonl"); !strings.Contains(audit, `"rule":"agents-enter-by-override"`) ||
		!strings.Contains(audit, `"agent":"Claude Code"`) || !strings.Contains(audit, "process ") {
		t.Errorf("the record says %s", audit)
	}
}
