package machine

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"forkgate/tests/need"
)

//go:embed boot
var script []byte

// Options are what a test wants of its machine. The zero value is a machine that keeps everything in memory.
type Options struct {
	Share   []string // directories that are the machine's as well, at the same path; everything else is a copy
	Scratch string   // a directory on disk for what the machine writes
	Prepare string   // shell commands to run in the copy before systemd starts, with the outer network
}

// Machine is a running machine. It ends with its test.
type Machine struct {
	Name   string
	script string
	leader int
	ended  <-chan error
	output *bytes.Buffer // of boot itself; not to be read before ended says so
}

// Result is what became of a command.
type Result struct {
	Stdout, Stderr string
	Code           int // the exit code; 128+n for signal n
}

// Boot boots a machine and waits until systemd calls it running. It needs root, systemd and D-Bus.
func Boot(t testing.TB, o Options) *Machine {
	t.Helper()
	need.Systemd(t)
	m := &Machine{Name: name(t), script: filepath.Join(t.TempDir(), "boot"), output: new(bytes.Buffer)}
	if err := os.WriteFile(m.script, script, 0o700); err != nil {
		t.Fatal(err)
	}
	up := exec.Command("bash", append(append([]string{m.script, "up"}, o.arguments()...), m.Name)...)
	up.Stdout, up.Stderr = m.output, m.output
	m.ended = start(up)
	t.Cleanup(func() { m.close(t) })
	patience := 2 * time.Minute // half a second where nothing else runs
	if o.Prepare != "" {
		patience = 20 * time.Minute // it may install packages over a slow line
	}
	if err := m.ready(patience); err != nil {
		m.kill(up)
		<-m.ended
		t.Fatalf("cannot boot a machine: %v\n%s", err, m.output)
	}
	return m
}

// Command is a command to run in the machine, as root, with a small environment. It dies with ctx.
func (m *Machine) Command(ctx context.Context, argv ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, "bash", append([]string{m.script, "run", m.Name}, argv...)...)
	c.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "TERM=dumb", "LANG=C.UTF-8"}
	return c
}

// NetCommand is a command of the outer machine, with its files and processes, in this machine's network.
func (m *Machine) NetCommand(ctx context.Context, argv ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "nsenter", append([]string{"--net=" + m.NetNS(), "--"}, argv...)...)
}

// Run runs a command in the machine. A command that ends with any exit code is a result; one that cannot be run fails the test.
func (m *Machine) Run(ctx context.Context, t testing.TB, argv ...string) Result {
	t.Helper()
	return RunCommand(t, m.Command(ctx, argv...))
}

// Must runs a command that has to succeed, and returns what it wrote to its standard output, without the last newline.
func (m *Machine) Must(t testing.TB, argv ...string) string {
	t.Helper()
	r := m.Run(t.Context(), t, argv...)
	if r.Code != 0 {
		t.Fatalf("%s: exit code %d\n%s%s", strings.Join(argv, " "), r.Code, r.Stdout, r.Stderr)
	}
	return strings.TrimSuffix(r.Stdout, "\n")
}

// RunCommand runs c, which has no output of its own yet.
func RunCommand(t testing.TB, c *exec.Cmd) Result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("cannot run %s: %v", strings.Join(c.Args, " "), err)
	}
	return Result{stdout.String(), stderr.String(), code(c.ProcessState)}
}

// Leader is the machine's pid 1, as a pid of the outer machine.
func (m *Machine) Leader() int { return m.leader }

// Root is the machine's root directory, as a path of the outer machine.
func (m *Machine) Root() string { return fmt.Sprintf("/proc/%d/root", m.leader) }

// NetNS is the machine's network, for nsenter --net.
func (m *Machine) NetNS() string { return fmt.Sprintf("/proc/%d/ns/net", m.leader) }

// Journal is what the machine has logged, since it booted.
func (m *Machine) Journal(t testing.TB) string {
	t.Helper()
	// Not t.Context(), which is over when a test cleans up.
	return m.Run(context.Background(), t, "journalctl", "--boot", "--no-pager", "--output=short-precise").Stdout
}

func (m *Machine) ready(patience time.Duration) error {
	waiting := exec.Command("bash", m.script, "wait", m.Name, strconv.Itoa(int(patience.Seconds())))
	if out, err := waiting.CombinedOutput(); err != nil {
		return fmt.Errorf("%s", bytes.TrimSpace(out))
	}
	out, err := exec.Command("bash", m.script, "leader", m.Name).Output()
	if err != nil {
		return err
	}
	m.leader, err = strconv.Atoi(strings.TrimSpace(string(out)))
	return err
}

func (o Options) arguments() []string {
	var args []string
	for _, dir := range o.Share {
		args = append(args, "--share", dir)
	}
	if o.Scratch != "" {
		args = append(args, "--scratch", o.Scratch)
	}
	if o.Prepare != "" {
		args = append(args, "--prepare", o.Prepare)
	}
	return args
}

// name makes a name of the test's, and of chance: two runs of one test may be under way.
func name(t testing.TB) string {
	word := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, strings.ToLower(strings.TrimPrefix(t.Name(), "Test")))
	return fmt.Sprintf("%.20s-%08x", "t"+word, rand.Uint32())
}
