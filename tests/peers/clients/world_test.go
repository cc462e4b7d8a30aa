package clients

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"forkgate/tests/host"
	"forkgate/tests/machine"
	"forkgate/tests/need"
)

// world is a host with a repository in production, which has a file and a git repository in it.
type world struct {
	*host.Host
	testdata string // its absolute path
	libssh   string // the program that is built from testdata/libssh.c

	big, huge       string // files: of 3 MB, and of 100 MB
	bigSum, hugeSum string
}

// patience is how long one script may take; a hundredth of it is usual where nothing else runs.
const patience = 5 * time.Minute

// kinds are the types of keys that the gate takes from programs, for ssh-keygen. Each has a principal of that name.
var kinds = []string{"ed25519", "ecdsa", "rsa"}

func newWorld(t *testing.T, o host.Options) *world {
	t.Helper()
	testdata, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{Host: host.Start(t, o), testdata: testdata}
	w.Must(t, "sh", "-ec", `mkdir /root/data; cd /root/data; echo orders >orders.txt; git init -q --bare -b main project.git
		git init -q -b main /root/work; cd /root/work; echo orders >orders.txt; git add .
		git -c user.name=a -c user.email=a@a commit -q -m first; git push -q /root/data/project.git main`)
	w.Repo(t, "demo", "/root/data")
	w.big, w.bigSum = w.random(t, "big", 3_000_000)
	w.huge, w.hugeSum = w.random(t, "huge", 100_000_000)
	w.libssh = filepath.Join(w.Dir, "libssh-client")
	if out, err := exec.Command("cc", "-Wall", "-Werror", "-o", w.libssh, filepath.Join(testdata, "libssh.c"), "-lssh").CombinedOutput(); err != nil {
		t.Fatalf("cannot build testdata/libssh.c: %v\n%s", err, out)
	}
	w.makeKinds(t)
	return w
}

// makeKinds makes a principal with a key of each type.
func (w *world) makeKinds(t *testing.T) {
	var policy strings.Builder
	for _, kind := range kinds {
		file := filepath.Join(w.Dir, kind)
		if out, err := exec.Command("ssh-keygen", "-q", "-t", kind, "-N", "", "-C", kind, "-f", file).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		public, err := os.ReadFile(file + ".pub")
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&policy, "principal %q {\n  keys = [%q]\n}\n", kind, strings.TrimSpace(string(public)))
	}
	place := filepath.Join(w.Root(), "etc/forkgate/policy.d/kinds.hcl")
	if err := os.WriteFile(place, []byte(policy.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	w.Must(t, "systemctl", "reload-or-restart", "forkgate-warden")
	for _, kind := range kinds {
		need.Eventually(t, "the principal "+kind+" is known", func() bool {
			return w.SSH(t.Context(), "-i", filepath.Join(w.Dir, kind), "gate@any", "whoami").Run() == nil
		})
	}
}

// random makes a file of n bytes, and says its sum.
func (w *world) random(t *testing.T, name string, n int) (file, sum string) {
	data := make([]byte, n)
	rand.Read(data)
	of := sha256.Sum256(data)
	file = filepath.Join(w.Dir, name)
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return file, hex.EncodeToString(of[:])
}

// work is what a row has for itself: a principal with a key, a fork, a directory that is its home, a port.
type work struct {
	world            *world
	name, login, key string
	dir              string
	port             int // the first of ten to listen on, in the host's network
}

func (w *world) work(t *testing.T, name string, nth int) *work {
	t.Helper()
	k := &work{world: w, name: name, login: "demo+" + name, key: filepath.Join(w.Dir, name), dir: filepath.Join(w.Dir, "of-"+name), port: 20000 + 10*nth}
	if err := os.MkdirAll(filepath.Join(k.dir, ".ssh"), 0o700); err != nil {
		t.Fatal(err)
	}
	known, err := os.ReadFile(filepath.Join(w.Dir, "known_hosts"))
	if err != nil {
		t.Fatal(err)
	}
	// With the port and without: dbclient knows hosts by their name alone.
	known = append(known, strings.ReplaceAll(string(known), "["+host.Address+"]:"+host.Port, host.Address)...)
	if err := os.WriteFile(filepath.Join(k.dir, ".ssh", "known_hosts"), known, 0o600); err != nil {
		t.Fatal(err)
	}
	return k
}

// prelude is what scripts can use. All that behind began ends with the script.
const prelude = `set -euo pipefail
end=; trap 'eval "$end"' EXIT
behind() { "$@" </dev/null >behind 2>&1 & end+="kill $! 2>/dev/null || :; wait $! || :;"; }
open() { for _ in $(seq 4000); do { exec 3<>/dev/tcp/127.0.0.1/$1; } 2>/dev/null && return; sleep 0.05; done; cat behind >&2; exit 1; }
line() { echo through >&3; head -n 1 <&3; exec 3>&-; }
socks() { open $1; printf '\5\1\0\5\1\0\3\11localhost\33\130' >&3; head -c 12 <&3 >/dev/null; line; }
ssh=(ssh -F $CONFIG -i $KEY -l $LOGIN)
ppk() { puttygen $KEY -O private -o key.ppk; putty=(-batch -P $PORT -i key.ppk $HOSTKEYS -l $LOGIN); }
drop() { rm -f key.drop; dropbearconvert openssh dropbear $KEY key.drop 2>/dev/null; dropbear=(dbclient -i key.drop -p $PORT -l $LOGIN $HOST); }
`

// run runs a script in the host's network, as login with a key.
func (k *work) run(t *testing.T, login, key, script string) machine.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	return machine.RunCommand(t, k.command(ctx, login, key, script))
}

func (k *work) command(ctx context.Context, login, key, script string) *exec.Cmd {
	c := k.world.Client(ctx, "bash", "-c", prelude+script)
	c.Dir = k.dir
	// A script that is out of time goes with all that it has started.
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	c.Env = append(c.Env, "HOME="+k.dir, "LOGIN="+login, "KEY="+key, "NAME="+k.name, "CONFIG="+k.world.Config, "HOST="+host.Address, "PORT="+host.Port,
		fmt.Sprintf("LOCAL=%d", k.port), "BIG="+k.world.big, "HUGE="+k.world.huge, "TESTDATA="+k.world.testdata, "LIBSSH="+k.world.libssh,
		"HOSTKEYS="+k.hostKeys(), "GIT_CONFIG_NOSYSTEM=1", "PYTHONWARNINGS=ignore")
	return c
}

// hostKeys are the options by which PuTTY knows the gate.
func (k *work) hostKeys() string {
	out, _ := exec.Command("ssh-keygen", "-l", "-f", filepath.Join(k.world.Dir, "known_hosts")).Output()
	options := ""
	for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		if f := strings.Fields(line); len(f) > 1 {
			options += "-hostkey " + f[1] + " "
		}
	}
	return options
}

// inside runs a command in the row's fork by stock ssh, which is what clients are compared with.
func (k *work) inside(t *testing.T, command string) string {
	t.Helper()
	return machine.RunCommand(t, k.world.SSH(t.Context(), k.login+"@"+k.name, command)).Stdout
}

// fetched says whether the file that the client fetched is big, and removes it.
func (k *work) fetched(t *testing.T) (string, error) {
	data, err := os.ReadFile(filepath.Join(k.dir, "got"))
	if err != nil {
		return "", err
	}
	if of := sha256.Sum256(data); hex.EncodeToString(of[:]) != k.world.bigSum {
		return "", fmt.Errorf("what was fetched are %d bytes that are not those that were put", len(data))
	}
	return "yes", os.Remove(filepath.Join(k.dir, "got"))
}

// serve starts the server of testdata/serve.py in the fork, until the test ends.
func (k *work) serve(t *testing.T) {
	t.Helper()
	script, err := os.Open(filepath.Join(k.world.testdata, "serve.py"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	serving := k.world.SSH(ctx, k.login+"@"+k.name, "exec python3 -u -")
	serving.Stdin = script
	out, err := serving.StdoutPipe()
	if err == nil {
		err = serving.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = serving.Wait()
		_ = script.Close()
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		t.Fatalf("the server in the fork says %q: %v", line, err)
	}
}
