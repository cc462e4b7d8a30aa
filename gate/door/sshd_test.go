package door_test

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"forkgate/tests/need"
)

// startSSHD starts Debian's sshd as the current user on a loopback port, letting in the key in dir.
func startSSHD(t *testing.T, dir string, more ...string) (addr string) {
	t.Helper()
	need.Tools(t, "sshd", "ssh-keygen")
	if os.Getuid() == 0 {
		if os.Mkdir("/run/sshd", 0o755) == nil { // where sshd as root wants to be confined
			t.Cleanup(func() { os.Remove("/run/sshd") })
		}
	}
	hostKey := filepath.Join(dir, "sshd_host_key")
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", hostKey).CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen: %v: %s", err, out)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr = l.Addr().String()
	l.Close()
	_, port, _ := net.SplitHostPort(addr)
	config := filepath.Join(dir, "sshd_config")
	// With SHLVL bash reads no ~/.bashrc for being started by sshd: what that says is this machine's.
	write(t, config, fmt.Sprintf(`ListenAddress 127.0.0.1
Port %s
HostKey %s
AuthorizedKeysFile %s/key.pub
StrictModes no
UsePAM no
PidFile none
PrintMotd no
PermitRootLogin prohibit-password
MaxStartups 100
SetEnv SHLVL=1
Subsystem sftp /usr/lib/openssh/sftp-server
`, port, hostKey, dir)+strings.Join(more, "\n")+"\n")
	path, err := exec.LookPath("sshd")
	if err != nil {
		t.Fatal(err)
	}
	sshd := exec.Command(path, "-D", "-e", "-f", config)
	var log logBuffer
	sshd.Stderr = &log
	if err := sshd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		sshd.Process.Kill()
		sshd.Wait()
		if t.Failed() {
			t.Logf("sshd says:\n%s", log.String())
		}
	})
	need.Eventually(t, "sshd listens: "+log.String(), func() bool {
		c, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return addr
}

// both runs the same client command against the door and against sshd.
type both struct {
	p    *place
	sshd string
	me   string
}

func openBoth(t *testing.T) *both {
	need.Tools(t, "ssh", "sshd")
	p := open(t)
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	return &both{p, startSSHD(t, p.dir), me.Username}
}

func (b *both) run(t *testing.T, stdin string, args ...string) (door, sshd outcome) {
	t.Helper()
	door = run(t, openSSH(t, b.p.dir, b.p.addr, "ssh", append([]string{"-l", "demo"}, args...)...), stdin)
	sshd = run(t, openSSH(t, b.p.dir, b.sshd, "ssh", append([]string{"-l", b.me}, args...)...), stdin)
	return door, sshd
}

// What a client sees of a command's end and output is the same with the door as with sshd.
func TestLikeSSHD(t *testing.T) {
	b := openBoth(t)
	big := strings.Repeat("0123456789abcdef", 1<<16) // 1 MiB
	type row struct {
		name, command, stdin string
		args                 []string
		code                 int // what it must be, lest both be wrong in the same way
	}
	rows := []row{
		{name: "separate", command: "echo out; echo err >&2"},
		{name: "stdin", command: "cat", stdin: "some text"},
		{name: "stdin closed", command: "exec <&-; echo done", stdin: big},
		{name: "stdin unread", command: "true", stdin: big},
		{name: "stdout closed", command: "exec >&- 2>&-; exit 9", code: 9},
		{name: "stdout closed early", command: "exec >&- 2>&-; sleep 0.3; exit 9", code: 9},
		{name: "large both ways", command: "tee /dev/stderr", stdin: big},
		{name: "large output", command: "head -c 3000000 /dev/zero; head -c 100000 /dev/zero >&2; exit 4", code: 4},
		{name: "eof before", command: "cat; echo after; exit 6", code: 6},
		{name: "binary", command: `printf '\0\1\377\r\n\200\n\r'; cat`, stdin: "\x00\xff\r\n\x80\n\r~.\x03\x04"},
		{name: "quoting", command: `printf '%s|' a "b c" 'd"e' $((1+1)) \\`},
		{name: "bytes in command", command: "printf '%s' \"\xff\xfe\x80\""},
		{name: "background", command: "(sleep 0.3; echo late) & exit 3", code: 3},
		{name: "no such command", command: "no-such-command-here", code: 127},
		{name: "no stdin", args: []string{"-n"}, command: "cat; echo end"},
		{name: "empty output", command: ":"},
	}
	for _, code := range []int{0, 1, 2, 64, 100, 126, 127, 128, 129, 143, 254, 255} {
		rows = append(rows, row{name: fmt.Sprintf("code %d", code), command: fmt.Sprintf("exit %d", code), code: code})
	}
	for _, s := range []string{"TERM", "KILL", "INT", "HUP", "SEGV", "ABRT", "PIPE", "ALRM", "USR1", "USR2", "FPE", "ILL", "BUS"} {
		rows = append(rows, row{name: "signal " + s, command: "ulimit -c 0; kill -" + s + " $$; sleep 9", code: 255})
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			door, sshd := b.run(t, r.stdin, append(r.args, "host", r.command)...)
			if diff := cmp.Diff(sshd, door); diff != "" {
				t.Errorf("sshd (-) and the door (+) differ:\n%.2000s", diff)
			}
			if door.Code != r.code {
				t.Errorf("exit code %d, not %d", door.Code, r.code)
			}
		})
	}
}

// The exit-signal message itself, which OpenSSH's client shows as 255 only.
func TestExitSignal(t *testing.T) {
	b := openBoth(t)
	for _, s := range []string{"TERM", "KILL", "SEGV", "HUP", "BUS"} {
		door := exitMessage(t, b.p, b.p.addr, "demo", "ulimit -c 0; kill -"+s+" $$; sleep 9")
		sshd := exitMessage(t, b.p, b.sshd, b.me, "ulimit -c 0; kill -"+s+" $$; sleep 9")
		if s == "BUS" { // no name in RFC 4254
			sshd = strings.Replace(sshd, "SIG@openssh.com", "BUS", 1)
		}
		if door != sshd {
			t.Errorf("%s: door says %s, sshd %s", s, door, sshd)
		}
	}
}

// A shell without a terminal reads commands from stdin.
func TestShellWithoutTerminal(t *testing.T) {
	b := openBoth(t)
	door, sshd := b.run(t, "echo $((6*7)); exit 5\n", "-T", "host")
	if diff := cmp.Diff(sshd, door); diff != "" || door.Code != 5 || !strings.HasSuffix(door.Stdout, "42\n") {
		t.Errorf("sshd (-) and the door (+) differ, or %d is not 5:\n%s", door.Code, diff)
	}
}

func jsonOf(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}
