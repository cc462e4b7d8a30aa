package host

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"forkgate/tests/machine"
	"forkgate/tests/need"
)

// Address is where the gate listens, in the machine's network.
const Address, Port = "127.0.0.1", "2222"

// Options are what a test wants of its host. The zero value is a host that nobody may enter.
type Options struct {
	People []string // principals with one key, vouched for: they count as persons
	Agents []string // principals with one key
	Keys   []string // keys that belong to no principal

	Accounts map[string][]string // of the host, that a principal speaks by
	Pool     string              // its size, as in forkgate pool init --size; 20G if empty. It takes what is written to it
	Bare     bool                // forkgate is installed, and that is all: no pool, no services, no keys
	Package  string              // it is installed of this Debian package, and not by make install
}

// Host is a running host. It ends with its test.
type Host struct {
	*machine.Machine
	// Dir holds the private keys, one file for each name, NAME.pub beside it, and known_hosts. It is the machine's as well.
	Dir string
	// Config is the ssh_config: each name in Options is a host in it, which is the gate, with that one's key.
	// So ssh -F Config demo@bot is bot at demo. It sends the variable CLAUDECODE if that is set.
	Config string
	// Built is what forkgate was installed from, with its Makefile, or a directory with the package. It is the machine's as well.
	Built string
}

// Start sets up a host. It needs root, what a machine needs, the usual SSH tools, and the rootfs.
func Start(t testing.TB, o Options) *Host {
	t.Helper()
	need.Systemd(t)
	need.Tools(t, "make", "gcc", "git", "ssh", "ssh-keygen", "mkfs.btrfs", "nsenter")
	rootfs := ""
	if !o.Bare {
		rootfs = need.Rootfs(t)
	}
	dir := onDisk(t)
	h := &Host{Dir: filepath.Join(dir, "home"), Config: filepath.Join(dir, "home", "ssh_config")}
	h.Built = filepath.Join(dir, "built")
	install := []string{"make", "--silent", "-C", h.Built, "BIN=bin", "install"}
	if o.Package == "" {
		Build(t, h.Built)
	} else {
		mkdir(t, h.Built)
		run(t, exec.Command("cp", o.Package, h.Built))
		install = []string{"dpkg", "--install", filepath.Join(h.Built, filepath.Base(o.Package))}
	}
	mkdir(t, h.Dir)
	mkdir(t, filepath.Join(dir, "scratch"))
	h.Machine = machine.Boot(t, machine.Options{Share: []string{h.Dir, h.Built}, Scratch: filepath.Join(dir, "scratch")})
	h.Must(t, install...)
	if o.Bare {
		return h
	}
	h.makePool(t, o)
	h.makePrincipals(t, o)
	h.Must(t, "systemctl", "start", "forkgate.target")
	h.importRootfs(t, rootfs)
	h.Configure(t, slices.Concat(o.People, o.Agents, o.Keys)...)
	return h
}

// Repo makes a repository, empty or, with a source, of a directory or tar file of the machine.
func (h *Host) Repo(t testing.TB, name string, source ...string) {
	t.Helper()
	args := []string{"forkgate", "repo", "create", name}
	for _, from := range source {
		args = append(args, "--from", from)
	}
	h.Must(t, args...)
}

// Client is a program of the outer machine, with its files, in the host's network: ssh, scp, rsync. Killing the process kills the
// program itself. ssh wants -F Config.
func (h *Host) Client(ctx context.Context, argv ...string) *exec.Cmd {
	c := h.NetCommand(ctx, argv...)
	c.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + h.Dir, "TERM=xterm-256color", "LANG=C.UTF-8"}
	return c
}

// SSH is a stock OpenSSH client: h.SSH(ctx, "demo+x@bot", "id"). Its output and exit code are those of the command.
func (h *Host) SSH(ctx context.Context, args ...string) *exec.Cmd {
	return h.Client(ctx, append([]string{"ssh", "-F", h.Config}, args...)...)
}

func (h *Host) makePool(t testing.TB, o Options) {
	size := o.Pool
	if size == "" {
		size = "20G"
	}
	h.Must(t, "forkgate", "pool", "init", "--size", size)
}

func (h *Host) makePrincipals(t testing.TB, o Options) {
	var policy strings.Builder
	for _, name := range o.People {
		fmt.Fprintf(&policy, "principal %q {\n  keys    = [%q]\n  vouched = true\n%s}\n", name, h.MakeKey(t, name), accounts(o.Accounts[name]))
	}
	for _, name := range o.Agents {
		fmt.Fprintf(&policy, "principal %q {\n  keys = [%q]\n%s}\n", name, h.MakeKey(t, name), accounts(o.Accounts[name]))
	}
	for _, name := range o.Keys {
		h.MakeKey(t, name)
	}
	write(t, filepath.Join(h.Root(), "etc/forkgate/policy.d/principals.hcl"), policy.String())
}

func accounts(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return "  accounts = [\"" + strings.Join(names, "\", \"") + "\"]\n"
}

// MakeKey makes a key pair in Dir and returns the public half, as a line of authorized_keys.
func (h *Host) MakeKey(t testing.TB, name string) string {
	file := filepath.Join(h.Dir, name)
	run(t, exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", file))
	public, err := os.ReadFile(file + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(public))
}

func (h *Host) importRootfs(t testing.TB, file string) {
	rootfs, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer rootfs.Close()
	// The file may be replaced while the machine has it in its lower layer: the machine never sees it by name.
	importing := h.Command(t.Context(), "forkgate", "rootfs", "import", "-")
	importing.Stdin = rootfs
	run(t, importing)
}

// Configure writes Config, for clients with these keys, and known_hosts: the gate runs.
func (h *Host) Configure(t testing.TB, names ...string) {
	t.Helper()
	known := ""
	for _, key := range strings.Split(h.Must(t, "sh", "-c", "cat /var/lib/forkgate/hostkeys/*.pub"), "\n") {
		known += "[" + Address + "]:" + Port + " " + key + "\n"
	}
	write(t, filepath.Join(h.Dir, "known_hosts"), known)
	var config strings.Builder
	for _, name := range names {
		fmt.Fprintf(&config, "Host %s\n  IdentityFile %s\n", name, filepath.Join(h.Dir, name))
	}
	fmt.Fprintf(&config, `Host *
  HostName %s
  Port %s
  UserKnownHostsFile %s/known_hosts
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
  IdentitiesOnly yes
  IdentityAgent none
  BatchMode yes
  SendEnv CLAUDECODE
`, Address, Port, h.Dir)
	write(t, h.Config, config.String())
}
