package attest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"forkgate/gate/provenance"
	"forkgate/gate/provenance/attestor"
	"forkgate/tests/need"
)

// uid is alice's, an account that exists in the workstation's mount namespace only.
const uid = 7001

// workstation is a mount namespace with an account of its own in it, and the attestor installed. Its processes are the machine's, unless it
// is apart: the kernel tells of processes in the first pid namespace alone.
type workstation struct {
	apart  bool   // it has a pid namespace of its own too, where no attestor hears of processes
	dir    string // all of its files; alice may read them
	home   string
	holder int // a process that keeps the mount namespace
	pid    int // of the daemon that was started last
	log    *lockedBuffer
	ca     ssh.Signer
	gate   *gate // enrolled
	other  *gate // not enrolled
}

// newWorkstation installs everything but the daemon.
func newWorkstation(t *testing.T) *workstation { return install(t, false) }

func install(t *testing.T, apart bool) *workstation {
	t.Helper()
	need.Root(t)
	need.Tools(t, "ssh", "login", "unshare", "nsenter", "setpriv", "python3", "tmux", "go", "bash")
	dir, err := os.MkdirTemp("/var/tmp", "forkgate-attest-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	w := &workstation{apart: apart, dir: dir, home: filepath.Join(dir, "home")}
	must(t, os.Chmod(dir, 0o755))
	must(t, os.Mkdir(w.home, 0o755))
	must(t, os.Chown(w.home, uid, uid))
	w.hold(t)
	w.build(t)
	w.gate, w.other = newGate(t), newGate(t)
	w.configure(t, "")
	return w
}

// hold makes the namespaces: accounts of its own, and a login that asks nobody.
func (w *workstation) hold(t *testing.T) {
	t.Helper()
	w.write(t, "passwd", "root:x:0:0::/root:/bin/bash\nalice:x:%d:%[1]d::%s:/bin/bash\n", uid, w.home)
	w.write(t, "group", "root:x:0:\ntty:x:5:\nalice:x:%d:\n", uid)
	w.write(t, "shadow", "root:*:1:0:99999:7:::\nalice:*:1:0:99999:7:::\n")
	w.write(t, "pam", "auth required pam_permit.so\naccount required pam_permit.so\nsession required pam_permit.so\n")
	script := `for f in passwd group shadow; do mount --bind "$1/$f" "/etc/$f"; done; mount --bind "$1/pam" /etc/pam.d/login; echo ready; exec sleep infinity`
	argv := []string{"--mount", "--propagation", "private", "bash", "-ec", script, "hold", w.dir}
	if w.apart {
		argv = append([]string{"--pid", "--fork", "--kill-child", "--mount-proc"}, argv...)
	}
	c := exec.Command("unshare", argv...)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.Stderr = os.Stderr
	must(t, c.Start())
	t.Cleanup(func() { c.Process.Kill(); c.Wait() })
	ready := make([]byte, 6)
	if _, err := out.Read(ready); err != nil || string(ready) != "ready\n" {
		t.Fatalf("no mount namespace: %q, %v", ready, err)
	}
	w.holder = w.within(t, c)
}

// within is the pid of what runs in the workstation of a command that was started there: its own, or its child's.
func (w *workstation) within(t *testing.T, c *exec.Cmd) (pid int) {
	t.Helper()
	if !w.apart {
		return c.Process.Pid
	}
	need.Eventually(t, "a process in the namespace", func() bool {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", c.Process.Pid))
		pid, _ = strconv.Atoi(strings.TrimSpace(string(text)))
		return err == nil && pid != 0
	})
	return pid
}

// build makes the program, and puts the tricks beside it.
func (w *workstation) build(t *testing.T) {
	t.Helper()
	c := exec.Command("go", "build", "-o", filepath.Join(w.dir, "forkgate-attest"), "forkgate/cmd/forkgate-attest")
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	tricks, err := filepath.Glob("testdata/*")
	must(t, err)
	for _, trick := range tricks {
		text, err := os.ReadFile(trick)
		must(t, err)
		must(t, os.WriteFile(filepath.Join(w.dir, filepath.Base(trick)), text, 0o755))
	}
	for _, f := range []string{"sys/dev/tty/legacy_tiocsti", "sys/kernel/yama/ptrace_scope"} {
		must(t, os.MkdirAll(filepath.Dir(filepath.Join(w.dir, f)), 0o755))
	}
	// This is what a kernel with these protections says. Where a test is about what it says instead, it writes that.
	w.write(t, "sys/dev/tty/legacy_tiocsti", "0\n")
	w.write(t, "sys/kernel/yama/ptrace_scope", "1\n")
	agents, err := os.ReadFile(filepath.Join(need.Checkout(t), "policy.d", "agents.hcl"))
	must(t, err)
	w.write(t, "agents.hcl", "%s", agents)
}

// configure writes the attestor's configuration, and ssh's.
func (w *workstation) configure(t *testing.T, more string) {
	t.Helper()
	key, err := attestor.InitKey(filepath.Join(w.dir, "key"))
	must(t, err)
	w.ca = key
	w.gate.know(provenance.Attestor{Name: "laptop", Key: key.PublicKey(), Principals: map[uint32]string{uid: "alice"}, Minimum: provenance.Protections()})
	config := w.write(t, "attest.hcl", "agents = %q\n%s\ngate \"gate\" {\n  patterns = [\"gate\"]\n  host_keys = [%q]\n  principals = { \"%d\" = \"alice\" }\n}\n",
		filepath.Join(w.dir, "agents.hcl"), more, strings.TrimSpace(string(ssh.MarshalAuthorizedKey(w.gate.key.PublicKey()))), uid)
	lines, err := exec.Command(filepath.Join(w.dir, "forkgate-attest"), "ssh-config", "--config", config, "--socket", w.socket()).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, lines)
	}
	common := "    HostName 127.0.0.1\n    StrictHostKeyChecking no\n    UserKnownHostsFile /dev/null\n    LogLevel ERROR\n    BatchMode yes\n"
	w.write(t, "ssh_config", "%sHost gate\n    Port %d\n%sHost other\n    Port %d\n%s    IdentityAgent %s\n", lines, w.gate.port, common, w.other.port, common, w.socket())
}

func (w *workstation) socket() string { return filepath.Join(w.dir, "attest.sock") }

func (w *workstation) write(t *testing.T, name, format string, args ...any) string {
	t.Helper()
	file := filepath.Join(w.dir, name)
	must(t, os.WriteFile(file, fmt.Appendf(nil, format, args...), 0o644))
	return file
}

// daemon runs the attestor until the test ends, or stop is called. wrap is put before its command line.
func (w *workstation) daemon(t *testing.T, wrap ...string) (stop func()) {
	t.Helper()
	argv := append(w.enter(wrap...), filepath.Join(w.dir, "forkgate-attest"), "run", "--config", filepath.Join(w.dir, "attest.hcl"),
		"--key", filepath.Join(w.dir, "key"), "--socket", w.socket(), "--sysctl", filepath.Join(w.dir, "sys"))
	c := exec.Command(argv[0], argv[1:]...)
	c.WaitDelay = time.Second
	log := new(lockedBuffer)
	c.Stderr = log
	must(t, c.Start())
	w.pid, w.log = w.within(t, c), log
	var once sync.Once
	stop = func() {
		once.Do(func() {
			syscall.Kill(w.pid, syscall.SIGINT)
			if err := c.Wait(); err != nil {
				t.Errorf("the attestor ended with %v", err)
			}
			if t.Failed() {
				t.Logf("the attestor's log:\n%s", log)
			}
		})
	}
	t.Cleanup(stop)
	need.Eventually(t, "the attestor", func() bool {
		c, err := net.Dial("unix", w.socket())
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return stop
}

// enter is the start of a command line that runs in the workstation's namespaces.
func (w *workstation) enter(wrap ...string) []string {
	argv := []string{"nsenter", "--mount=/proc/" + strconv.Itoa(w.holder) + "/ns/mnt"}
	if w.apart {
		argv = append(argv, "--pid=/proc/"+strconv.Itoa(w.holder)+"/ns/pid")
	}
	return append(append(argv, "--"), wrap...)
}

// lockedBuffer is a bytes.Buffer that one may write to while another reads.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// answer is what the gate says of a connection.
type answer struct {
	Attested provenance.Attested
	Key      string // of one that came without a certificate
}

func parseAnswer(text string) (a answer, ok bool) {
	i := strings.IndexByte(text, '{')
	return a, i >= 0 && json.NewDecoder(strings.NewReader(text[i:])).Decode(&a) == nil
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
