package openssh_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"forkgate/tests/host"
	"forkgate/tests/machine"
	"forkgate/tests/need"
)

// regress is where Debian's openssh-tests are.
const regress = "/usr/lib/openssh/regress"

// Where the gate is for scripts, in the files of the host, and where nobody is.
const (
	gate   = "/run/openssh-gate"
	nobody = "/run/openssh-nobody"
)

// agent is whose the forks are, and repository what they are forks of: the scripts, and what they need beside them.
const (
	agent      = "regress"
	repository = "openssh"
)

// world is a host with a repository in which the scripts lie.
type world struct {
	*host.Host
	self string // the test binary, on the host
}

func newWorld(t *testing.T) *world {
	t.Helper()
	need.Files(t, regress+"/test-exec.sh", regress+"/netcat")
	need.Tools(t, "socat", "plink", "puttygen", "ssh-agent", "setpriv", "cmp", "openssl")
	w := &world{Host: host.Start(t, host.Options{Agents: []string{agent}})}
	w.self = filepath.Join(w.Dir, "self")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	w.outside(t, "cp", self, w.self)
	w.pack(t)
	w.Repo(t, repository, w.Dir+"/openssh")
	w.Must(t, "systemd-run", "--quiet", "--unit=openssh-gate", "socat", "-t", "600", "UNIX-LISTEN:"+gate+",fork,mode=666,backlog=128", "TCP:"+host.Address+":"+host.Port)
	need.Eventually(t, "the gate has a socket", func() bool { return w.Run(t.Context(), t, "test", "-S", gate).Code == 0 })
	return w
}

// pack puts the scripts, and what they need, into a directory.
func (w *world) pack(t *testing.T) {
	t.Helper()
	testdata, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	w.outside(t, "sh", "-ec", `mkdir -p $0/src $0/obj $0/bin $0/home; cd $0
		cp $1/*.sh $1/config.h src/; cp $1/netcat $1/mkdtemp $1/modpipe $1/setuid-allowed $1/check-perm obj/; cp $2/* bin/
		cp $3/ssh_host_ed25519_key obj/ssh-ed25519; cp $3/ssh_host_ecdsa_key obj/ecdsa-sha2-nistp256
		for key in ssh-ed25519 ecdsa-sha2-nistp256; do ssh-keygen -y -f obj/$key >obj/$key.pub; done
		ssh-keygen -q -t rsa -m PEM -N '' -f obj/putty; puttygen obj/putty -o obj/putty.ppk; ssh-keygen -q -t ed25519 -N '' -f obj/ca`,
		w.Dir+"/openssh", regress, testdata, filepath.Join(w.Root(), "var/lib/forkgate/hostkeys"))
	w.edit(t)
	w.permit(t)
	if err := os.WriteFile(w.Dir+"/openssh/bin/spoken", []byte(w.spoken(t)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// permit lets the scripts in by their keys. Two of those are the host's own: the scripts take it that a host's keys are the user's.
func (w *world) permit(t *testing.T) {
	t.Helper()
	var keys []string
	for _, name := range []string{agent, "openssh/obj/ssh-ed25519", "openssh/obj/ecdsa-sha2-nistp256", "openssh/obj/putty", "openssh/obj/ca"} {
		public, err := os.ReadFile(filepath.Join(w.Dir, name+".pub"))
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, strconv.Quote(strings.TrimSpace(string(public))))
	}
	ca := len(keys) - 1
	policy := fmt.Sprintf(`principal %[1]q {
  keys = [%[2]s]
}
authority "ca" {
  key        = %[3]s
  principals = { %[1]q = %[1]q }
}
pods {
  forks_per_principal = 100
}
`, agent, strings.Join(keys[:ca], ", "), keys[ca])
	if err := os.WriteFile(filepath.Join(w.Root(), "etc/forkgate/policy.d/principals.hcl"), []byte(policy), 0o600); err != nil {
		t.Fatal(err)
	}
	w.Must(t, "sh", "-ec", "forkgate policy check; systemctl reload forkgate-warden")
}

// edit changes the scripts as the table says.
func (w *world) edit(t *testing.T) {
	t.Helper()
	here := installed(t)
	change := func(script, edit string) { w.outside(t, "sed", "-i", edit, w.Dir+"/openssh/src/"+script) }
	change(wrapper, wrapperEdit)
	for _, r := range table {
		if !slices.Contains(here, r.script) {
			continue
		}
		change(r.script+".sh", r.edit)
		if r.state == partly {
			change(r.script+".sh", r.cut)
		}
	}
}

// spoken is what the gate offers, a line for each algorithm, as it says itself.
func (w *world) spoken(t *testing.T) string {
	t.Helper()
	r := machine.RunCommand(t, w.SSH(t.Context(), "-vv", "gate@"+agent, "whoami"))
	_, offer, ok := strings.Cut(r.Stderr, "peer server KEXINIT proposal")
	if !ok || r.Code != 0 {
		t.Fatalf("the gate offers nothing: %d %s", r.Code, r.Stderr)
	}
	var all []string
	for _, line := range strings.Split(offer, "\n") {
		what, list, _ := strings.Cut(strings.TrimPrefix(strings.TrimSuffix(line, "\r"), "debug2: "), ": ")
		switch what {
		case "KEX algorithms", "host key algorithms", "ciphers stoc", "MACs stoc", "compression stoc":
			all = append(all, strings.Split(list, ",")...)
		case "first_kex_follows 0 ":
			return strings.Join(all, "\n") + "\n"
		}
	}
	return strings.Join(all, "\n") + "\n"
}

// fork is one script's own.
type fork struct {
	guid, tag string
	net       string // its network namespace, by a path on the host
}

// newFork makes a fork, and stays in it as long as ctx: a pod in which nobody is may stop.
func (w *world) newFork(ctx context.Context, t *testing.T, tag string) fork {
	t.Helper()
	holder := w.SSH(ctx, repository+"+"+tag+"@"+agent, "pwd; exec sleep 3600")
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
	line, err := bufio.NewReader(out).ReadString('\n')
	guid, ok := strings.CutPrefix(strings.TrimSpace(line), "/srv/")
	if err != nil || !ok {
		t.Fatalf("cannot enter the fork %s: %q %v", tag, line, err)
	}
	init := w.Must(t, "sh", "-ec", `pgrep -o -P "$(systemctl show -P MainPID "forkgate-pod@$0")"`, guid)
	return fork{guid: guid, tag: tag, net: "/proc/" + init + "/ns/net"}
}

// script is a command on the host that runs a script with a fork's files, in its network, which finds a gate at a socket.
func (w *world) script(ctx context.Context, f fork, account, name, socket string) *exec.Cmd {
	at := "/srv/" + f.guid
	c := w.Command(ctx, "nsenter", "--net="+f.net, "--", "unshare", "--mount", "--propagation", "private", w.self, "timeout", "--kill-after=5", "400",
		"sh", at+"/src/test-exec.sh", at+"/obj", at+"/src/"+name+".sh")
	c.Env = []string{
		"PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME=" + at + "/home", "LANG=C.UTF-8", "TERM=dumb",
		staged + "=" + f.guid + " " + account, "GATE=" + socket, "OBJ=" + at + "/obj", "BUILDDIR=" + at + "/src", "TEST_SHELL=sh",
		"TEST_SSH_SSH=" + at + "/bin/ssh", "TEST_SSH_SSHD=" + at + "/bin/sshd", "TEST_SSH_SFTPSERVER=" + at + "/bin/sftp-server",
		"TEST_SSH_SCP=/usr/bin/scp", "TEST_SSH_PLINK=plink", "TEST_SSH_PUTTYGEN=puttygen", "TEST_SSH_UNSAFE_PERMISSIONS=1", "TEST_SSH_FAIL_FATAL=1",
	}
	return c
}

func (w *world) outside(t *testing.T, argv ...string) {
	t.Helper()
	if r := machine.RunCommand(t, exec.Command(argv[0], argv[1:]...)); r.Code != 0 {
		t.Fatalf("%q: exit code %d\n%s%s", argv, r.Code, r.Stdout, r.Stderr)
	}
}
