package demo

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"

	"forkgate/gate/policy"
	policyd "forkgate/policy.d"
	"forkgate/tests/need"
)

// A command that the demo prints, and what it has to do.
type expected struct {
	command string // a part that no other has
	code    int
	stdout  string // pattern
	stderr  string // pattern
}

const whole = `integrity ok: \d+ questions, \d+ answers, (\d+) votes, the last one (\d+\.\d) s ago\n`

// In the order in which they are printed: what comes later builds on what came before.
var commands = []expected{
	{command: "demo-stackoverflow@demo-person ./check", stdout: `^` + whole + `$`},
	{command: "demo-stackoverflow@demo ls", code: 254,
		stderr: `^forkgate: demo-stackoverflow is a grand \(production\) repository; agents work in forks\nhint: ssh demo-stackoverflow\+NAME@host\n$`},
	{command: "'id; ls; ./check'",
		stdout: `^uid=7111\(rediacc\) gid=7111\(rediacc\) groups=7111\(rediacc\),988\(docker\)\n(?s:.*)\nstackoverflow.db\n(?s:.*)` + whole + `$`},
	{command: "rm -rf *", stdout: `^total 0\n$`},
	{command: "demo-stackoverflow@demo-person ./check", stdout: `^` + whole + `$`},
	{command: "ls -d $(", code: 2, stderr: `^ls: cannot access '/srv/[0-9a-f-]{36}': No such file or directory\n$`},
	{command: "readlink /proc/self/ns/mnt", stdout: `^mnt:\[\d+\]\nmnt:\[\d+\]\n$`},
	{command: "-t demo-stackoverflow+x@demo", code: 3, stdout: `rediacc@[^\n]*(?s:.*)exit 3\r\n`},
	{command: "scp ", stderr: `^$`},
	{command: "rsync ", stderr: `^$`},
	{command: "sftp ", stdout: `\nlicences/bash\s*\n$`},
	{command: "git clone", stderr: `^Cloning into '.demo/got/site'...\n$`},
	{command: "gate@demo help", stdout: `(?m)^whoami  `},
	{command: "gate@demo whoami", stdout: `^demo-agent, as an agent \(Claude Code\)\nclass 2: key\n`},
	{command: "gate@demo-person whoami", stdout: `^demo-person, as a person\nclass 2: key\n`},
	{command: "gate@demo explain", stdout: `^forbid: rule "agents-keep-out-of-production"`},
	{command: "gate@demo fork ", stdout: `(?m)^snapshot +\d+\.\d ms$(?s:.*)^ssh demo-stackoverflow\+\S+@host$`},
	{command: "gate@demo forks", stdout: `(?m)^demo-stackoverflow:agent-test +demo-agent +demo-stackoverflow `},
	{command: "gate@demo rm", stdout: `^demo-stackoverflow:agent-test is removed`},
}

func TestMain(m *testing.M) { need.Parallel(m) }

func TestDemo(t *testing.T) {
	need.Systemd(t)
	t.Parallel()
	need.Tools(t, "ssh", "scp", "sftp", "rsync", "git", "make")
	checkout := clone(t)
	started := time.Now()
	code, out := runMake(t, checkout, "demo-up")
	if code != 0 {
		t.Fatalf("make demo-up ended with %d:\n%s", code, out)
	}
	t.Logf("ready after %.1f s:\n%s", time.Since(started).Seconds(), out)

	printed := printedCommands(out)
	if len(printed) != len(commands)+1 || !strings.HasPrefix(printed[0], "cd ") {
		t.Fatalf("%d commands are printed, and this test knows of %d:\n%s", len(printed), len(commands), strings.Join(printed, "\n"))
	}
	var votes []int
	for i, want := range commands {
		got := try(t, printed[0]+" && "+printed[i+1], want)
		if seen := regexp.MustCompile(whole).FindStringSubmatch(got); seen != nil && strings.Contains(printed[i+1], "demo-person") {
			n, _ := strconv.Atoi(seen[1])
			votes = append(votes, n)
			if age, _ := strconv.ParseFloat(seen[2], 64); age > 2 {
				t.Errorf("the writer in production has stopped: %s", got)
			}
		}
		if want.command == "readlink /proc/self/ns/mnt" {
			if one, two, _ := strings.Cut(strings.TrimSpace(got), "\n"); one == two {
				t.Errorf("two sessions have the same mounts: %s", got)
			}
		}
	}
	if len(votes) != 2 || votes[1] <= votes[0] {
		t.Errorf("production had %d votes: it does not go on", votes)
	}
	for _, file := range []string{"check", "licences/bash", "site/vote"} {
		if info, err := os.Stat(filepath.Join(checkout, ".demo/got", file)); err != nil || info.Size() == 0 {
			t.Errorf("%s was not fetched: %v", file, err)
		}
	}

	pinned(t, checkout)
	allMarks(t, checkout)

	if code, out := runMake(t, checkout, "demo-up"); code != 0 || !strings.Contains(out, "already up") {
		t.Errorf("a second make demo-up ended with %d:\n%s", code, out)
	}
	if code, out := runMake(t, checkout, "demo"); code == 0 || !strings.Contains(out, "already up") {
		t.Errorf("make demo beside it ended with %d:\n%s", code, out)
	}
	if code, out := runMake(t, checkout, "demo-down"); code != 0 {
		t.Errorf("make demo-down ended with %d:\n%s", code, out)
	}
	nothingLeft(t, checkout)
}

// pinned tries a gate with another key: it is not believed.
func pinned(t *testing.T, checkout string) {
	t.Helper()
	file := filepath.Join(checkout, ".demo/known_hosts")
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	other, err := os.ReadFile(filepath.Join(checkout, ".demo/agent.pub"))
	if err != nil {
		t.Fatal(err)
	}
	for known, code := range map[string]int{"forkgate-demo " + string(other): 255, "": 255, string(good): 0} {
		if err := os.WriteFile(file, []byte(known), 0o644); err != nil {
			t.Fatal(err)
		}
		c := exec.Command("ssh", "-F", filepath.Join(checkout, ".demo/ssh_config"), "gate@demo", "whoami")
		if out, _ := c.CombinedOutput(); c.ProcessState.ExitCode() != code || code != 0 && !bytes.Contains(out, []byte("Host key verification failed")) {
			t.Errorf("with known_hosts of %q ssh ended with %d:\n%s", known, c.ProcessState.ExitCode(), out)
		}
	}
}

// allMarks compares the variables that ssh sends with all that are named in the shipped policy.
func allMarks(t *testing.T, checkout string) {
	t.Helper()
	config, err := os.ReadFile(filepath.Join(checkout, ".demo/ssh_config"))
	if err != nil {
		t.Fatal(err)
	}
	sent := strings.Fields(string(regexp.MustCompile(`(?m)^  SendEnv (.*)$`).FindSubmatch(config)[1]))
	p, err := policy.Load(policy.FS{FS: policyd.Files()})
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, agent := range p.Agents() {
		for _, mark := range slices.Concat(agent.Env, agent.Mixed) {
			want = append(want, mark.Name)
		}
	}
	slices.Sort(want)
	if want = slices.Compact(want); !slices.Equal(sent, want) || len(want) < 30 {
		t.Errorf("ssh sends %q, and the policy goes by %q", sent, want)
	}
}

// clone makes a copy of the checkout as git would make it, with the rootfs that is there already.
func clone(t *testing.T) string {
	t.Helper()
	from := need.Checkout(t)
	top, err := os.MkdirTemp("/var/tmp", "forkgate-demo-") // on a disk: it holds a pool
	if err != nil {
		t.Fatal(err)
	}
	// A path that needs quotes, and is too long for the address of a socket.
	to := filepath.Join(top, "a checkout "+strings.Repeat("far away ", 10))
	if err := os.Mkdir(to, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if code, out := runMake(t, to, "demo-down"); code != 0 {
			t.Errorf("make demo-down ended with %d:\n%s", code, out)
		}
		if err := os.RemoveAll(top); err != nil {
			t.Error(err)
		}
	})
	copying := exec.Command("bash", "-c", `set -eo pipefail
		git ls-files -z --cached --others --exclude-standard | xargs -0 ls -d 2>/dev/null | tar -c --no-recursion -T - | tar -x -C "$0"
		[ ! -e build ] || ln -s "$PWD/build" "$0/build"`, to)
	copying.Dir = from
	if out, err := copying.CombinedOutput(); err != nil {
		t.Fatalf("cannot copy the checkout: %v\n%s", err, out)
	}
	return to
}

func environment() []string {
	return append(os.Environ(), "LC_ALL=C", "SSH_AUTH_SOCK=", "MAKEFLAGS=")
}

func runMake(t *testing.T, checkout, target string) (int, string) {
	t.Helper()
	// Not t.Context(), which is over when a test cleans up.
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, "make", "--no-print-directory", "-C", checkout, target)
	c.Env = environment()
	c.WaitDelay = time.Second
	out, err := c.CombinedOutput()
	if c.ProcessState == nil {
		t.Fatal(err)
	}
	return c.ProcessState.ExitCode(), string(out)
}

// printedCommands are the indented lines.
func printedCommands(out string) (lines []string) {
	for line := range strings.Lines(out) {
		if command, ok := strings.CutPrefix(line, "    "); ok {
			lines = append(lines, strings.TrimSpace(command))
		}
	}
	return lines
}

// try runs a printed command in a shell, from another directory, and returns its standard output.
func try(t *testing.T, line string, want expected) string {
	t.Helper()
	if !strings.Contains(line, want.command) {
		t.Fatalf("want a command with %q at this place: %s", want.command, line)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, "bash", "-c", line)
	c.Dir, c.Env = "/", environment()
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	if strings.Contains(line, " -t ") {
		stdout.WriteString(atTerminal(t, c))
	} else if err := c.Run(); c.ProcessState == nil {
		t.Fatal(err)
	}
	said := fmt.Sprintf("%s\nexit code %d\n%s%s", line, c.ProcessState.ExitCode(), &stdout, &stderr)
	t.Log(said)
	if c.ProcessState.ExitCode() != want.code || !regexp.MustCompile(want.stdout).Match(stdout.Bytes()) ||
		!regexp.MustCompile(want.stderr).Match(stderr.Bytes()) {
		t.Errorf("want exit code %d, %q and %q: %s", want.code, want.stdout, want.stderr, said)
	}
	return stdout.String()
}

// atTerminal runs a command at a terminal, as a person would, who types exit 3.
func atTerminal(t *testing.T, c *exec.Cmd) string {
	t.Helper()
	c.Stdout, c.Stderr = nil, nil
	terminal, err := pty.Start(c)
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	if _, err := terminal.WriteString("exit 3\n"); err != nil {
		t.Error(err)
	}
	var out bytes.Buffer
	_, _ = out.ReadFrom(terminal) // ends with EIO, when the last one leaves the terminal
	_ = c.Wait()
	return out.String()
}
