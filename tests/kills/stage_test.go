package kills_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"forkgate/tests/host"
	"forkgate/tests/need"
)

func TestMain(m *testing.M) { need.Parallel(m) }

// stage is a host, and beside it a network with clients in it: between them is one link, slow enough for transfers to be cut in the middle.
type stage struct {
	*host.Host
	clients string // the clients' network, for nsenter --net
	config  string // ssh_config: far is the host, over the link
	guid    string // the fork's
	dir     string // where clients keep what they carry
}

const (
	hostSide, clientSide = "192.0.2.1", "192.0.2.2"

	// dropIn has the gate notice soon that a client is gone.
	dropIn = `mkdir -p /etc/systemd/system/forkgate-gate.service.d
printf '[Service]\nExecStart=\nExecStart=/usr/bin/forkgate gate --keepalive 5s --report 1s\n' >/etc/systemd/system/forkgate-gate.service.d/kills.conf
systemctl daemon-reload; systemctl restart forkgate-gate`

	// data is what the repository holds: a file, and git's own that no compression makes smaller.
	data = `mkdir /root/data; cd /root/data; head -c 256M /dev/zero >big
git init -q --bare repo.git; git init -q /root/work; cd /root/work; head -c 48M /dev/urandom >blob; git -c core.compression=0 add blob
git -c user.name=a -c user.email=a@example.org commit -qm one; git push -q /root/data/repo.git HEAD:refs/heads/main; rm -rf /root/work`
)

func newStage(t *testing.T) *stage {
	t.Helper()
	need.Systemd(t)
	need.Tools(t, "ssh", "scp", "sftp", "rsync", "git", "ip", "tc", "nsenter", "unshare", "/usr/sbin/sshd")
	s := &stage{Host: host.Start(t, host.Options{Agents: []string{"bot"}})}
	s.Must(t, "sh", "-ec", dropIn)
	s.Must(t, "sh", "-ec", data)
	s.Repo(t, "demo", "/root/data")
	s.makeClients(t)
	s.makeLink(t)
	return s
}

// makeClients writes what clients need: the configuration, something to send, and a clone with something to push.
func (s *stage) makeClients(t *testing.T) {
	t.Helper()
	s.dir = filepath.Join(s.Dir, "clients")
	s.config = filepath.Join(s.Dir, "far_config")
	config := fmt.Sprintf("Host far\n  HostName %s\n  HostKeyAlias [%s]:%s\n  IdentityFile %s\n  User demo+kills\nInclude %s\n",
		hostSide, host.Address, host.Port, filepath.Join(s.Dir, "bot"), s.Config)
	if err := os.WriteFile(s.config, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	outer(t, "sh", "-ec", `mkdir "$0"; cd "$0"; head -c 256M /dev/zero >up; git init -q push; cd push; head -c 48M /dev/urandom >blob; git -c core.compression=0 add blob
		git -c user.name=a -c user.email=a@example.org commit -qm two`, s.dir)
}

// makeLink makes the clients' network, which lives as long as the process that holds it.
func (s *stage) makeLink(t *testing.T) {
	t.Helper()
	holder := exec.Command("unshare", "--net", "sh", "-c", "echo there; exec sleep infinity")
	out, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = holder.Process.Kill()
		_ = holder.Wait()
	})
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatalf("no network for the clients: %v", err)
	}
	pid := strconv.Itoa(holder.Process.Pid)
	s.clients = "/proc/" + pid + "/ns/net"
	outer(t, "nsenter", "--net="+s.NetNS(), "sh", "-ec", `ip link add near type veth peer name far0 netns "$0"
		ip address add `+hostSide+`/30 dev near; ip link set near up; tc qdisc add dev near root tbf rate 40mbit burst 256k latency 400ms`, pid)
	outer(t, "nsenter", "--net="+s.clients, "sh", "-ec", `ip link set lo up; ip address add `+clientSide+`/30 dev far0; ip link set far0 up
		tc qdisc add dev far0 root tbf rate 40mbit burst 256k latency 400ms`)
}

func (s *stage) link(t *testing.T, state string) {
	t.Helper()
	outer(t, "nsenter", "--net="+s.clients, "ip", "link", "set", "far0", state)
}

// outer runs a command of this machine that has to succeed.
func outer(t *testing.T, argv ...string) string {
	t.Helper()
	out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%q: %v\n%s", argv, err, out)
	}
	return string(out)
}

// client is one under way. It is a process group: tools start an ssh of their own.
type client struct {
	*exec.Cmd
	ended chan error
}

// start starts a program in the clients' network.
func (s *stage) start(t *testing.T, argv ...string) *client {
	t.Helper()
	c := &client{exec.Command("nsenter", append([]string{"--net=" + s.clients, "--"}, argv...)...), make(chan error, 1)}
	c.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.Dir, "LANG=C.UTF-8", "GIT_SSH_COMMAND=ssh -F " + s.config}
	c.Dir = s.dir
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return c.run(t)
}

func (c *client) run(t *testing.T) *client {
	t.Helper()
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { c.ended <- c.Wait() }()
	t.Cleanup(c.kill)
	return c
}

// kill kills the whole group: the client has no time for a word.
func (c *client) kill() { _ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }

func (c *client) runs() bool {
	select {
	case err := <-c.ended:
		c.ended <- err
		return false
	default:
		return true
	}
}

// findFork finds out what the fork's pod is called.
func (s *stage) findFork(t *testing.T) {
	t.Helper()
	s.guid = s.Must(t, "sh", "-ec", `forkgate show demo+kills --json | sed -n 's/.*"guid": "\([^"]*\)".*/\1/p'`)
	if s.guid == "" {
		t.Fatal("there is no fork")
	}
}

// inFork are the processes of the fork's pod. This machine sees those of the host.
func (s *stage) inFork(t *testing.T) (all []string) {
	t.Helper()
	groups, err := filepath.Glob("/proc/[0-9]*/cgroup")
	if err != nil || s.guid == "" {
		t.Fatalf("cannot look for the fork's processes: %v", err)
	}
	for _, group := range groups {
		in, _ := os.ReadFile(group) // it may have ended meanwhile
		command, err := os.ReadFile(strings.TrimSuffix(group, "cgroup") + "cmdline")
		if bytes.Contains(in, []byte("forkgate-pod@"+s.guid)) && err == nil && len(command) > 0 {
			all = append(all, strings.TrimSpace(string(bytes.ReplaceAll(command, []byte{0}, []byte{' '}))))
		}
	}
	slices.Sort(all)
	return all
}

// carried counts the bytes that have crossed the link, both ways.
func (s *stage) carried(t *testing.T) (n int64) {
	t.Helper()
	text, err := os.ReadFile(strings.TrimSuffix(s.clients, "ns/net") + "net/dev")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		name, counts, _ := strings.Cut(line, ":")
		if f := strings.Fields(counts); strings.TrimSpace(name) == "far0" {
			in, _ := strconv.ParseInt(f[0], 10, 64)
			out, _ := strconv.ParseInt(f[8], 10, 64)
			n = in + out
		}
	}
	return n
}

// serve has a session in the fork, over loopback, that answers on a port, for what leads there. It returns what ends it.
func (s *stage) serve(t *testing.T) (end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	c := s.SSH(ctx, "demo+kills@bot", "cat big big big big | python3 -c '"+server+"'")
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatalf("nothing answers in the fork: %v", err)
	}
	return func() { cancel(); _ = c.Wait() }
}

// server gives whoever connects to port 8000 what it reads.
const server = `import socket, sys
s = socket.create_server(("127.0.0.1", 8000)); print("ready", flush=True)
c = s.accept()[0]
while b := sys.stdin.buffer.read1(65536): c.sendall(b)`

// feed has a socket among the clients' files that writes without end to whoever connects, for what leads from the fork to there.
func (s *stage) feed(t *testing.T) {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(s.dir, "feed"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				for {
					if _, err := conn.Write(make([]byte, 1<<16)); err != nil {
						return
					}
				}
			}()
		}
	}()
}

// pull reads by a forward's socket until that ends.
func pull(t *testing.T, socket string) {
	t.Helper()
	var conn net.Conn
	need.Eventually(t, "the forward listens", func() (ok bool) {
		var err error
		conn, err = net.Dial("unix", socket)
		return err == nil
	})
	go func() {
		defer conn.Close()
		for b := make([]byte, 1<<16); ; {
			if _, err := conn.Read(b); err != nil {
				return
			}
		}
	}()
}
