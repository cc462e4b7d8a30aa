package door_test

import (
	"bytes"
	"crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"forkgate/gate/door/doortest"
	"forkgate/tests/need"
)

// The programs that people run over ssh.
func TestClients(t *testing.T) {
	need.Tools(t, "ssh", "scp", "sftp", "rsync", "git", doortest.SFTPServer)
	p := open(t)
	data := make([]byte, 3<<20)
	rand.Read(data)
	here := filepath.Join(p.dir, "here")
	if err := os.WriteFile(here, data, 0o644); err != nil {
		t.Fatal(err)
	}
	there := t.TempDir()
	must := func(cmd *exec.Cmd, stdin string) outcome {
		t.Helper()
		got := run(t, cmd, stdin)
		if got.Code != 0 {
			t.Fatalf("%q: %+v", cmd.Args, got)
		}
		return got
	}
	same := func(path string) {
		t.Helper()
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%s: %d of %d bytes are there, or other ones (%v)", path, len(got), len(data), err)
		}
	}
	at := func(name string) (remote, path string) {
		return "demo+tag@host:" + filepath.Join(there, name), filepath.Join(there, name)
	}

	remote, path := at("scp")
	must(p.ssh("scp", here, remote), "")
	same(path)
	must(p.ssh("scp", remote, here+".back"), "")
	same(here + ".back")

	remote, path = at("scp-old")
	must(p.ssh("scp", "-O", here, remote), "")
	same(path)

	_, path = at("sftp")
	must(p.ssh("sftp", "-b", "-", "demo+tag@host"), "put "+here+" "+path+"\nget "+path+" "+here+".sftp\n")
	same(path)
	same(here + ".sftp")

	rsh := strings.Join(p.ssh("ssh").Args, " ")
	remote, path = at("rsync")
	must(exec.Command("rsync", "-e", rsh, "--checksum", here, remote), "")
	same(path)
	os.Remove(here)
	must(exec.Command("rsync", "-e", rsh, remote, here), "")
	same(here)

	p.git(must, rsh, here, there)
}

// Keys are exchanged anew while bytes flow both ways; the host key signs each time.
func TestRekey(t *testing.T) {
	need.Tools(t, "ssh")
	p := open(t)
	data := make([]byte, 8<<20)
	rand.Read(data)
	got := run(t, p.ssh("ssh", "-l", "demo", "-o", "RekeyLimit=1M", "host", "cat"), string(data))
	if got.Code != 0 || got.Stdout != string(data) {
		t.Errorf("code %d, %d of %d bytes, or other ones; %s", got.Code, len(got.Stdout), len(data), got.Stderr)
	}
	if n := p.warden.Seen().Signed; n < 5 {
		t.Errorf("the host key signed %d times: no new keys were agreed on", n)
	}
}

// git pushes and clones a repository that has the data in it.
func (p *place) git(must func(*exec.Cmd, string) outcome, rsh, file, there string) {
	git := func(args ...string) outcome {
		cmd := exec.Command("git", args...)
		cmd.Env = append(os.Environ(), "GIT_SSH_COMMAND="+rsh, "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
			"GIT_AUTHOR_NAME=x", "GIT_AUTHOR_EMAIL=x@x", "GIT_COMMITTER_NAME=x", "GIT_COMMITTER_EMAIL=x@x", "GIT_PROTOCOL=version=2")
		return must(cmd, "")
	}
	work, bare, back := filepath.Join(p.dir, "work"), filepath.Join(there, "bare"), filepath.Join(p.dir, "back")
	git("init", "-q", "-b", "main", work)
	must(exec.Command("cp", file, work+"/file"), "")
	git("-C", work, "add", "file")
	git("-C", work, "commit", "-q", "-m", "x")
	git("init", "-q", "--bare", "-b", "main", bare)
	git("-C", work, "push", "-q", "demo+tag@host:"+bare, "main")
	git("clone", "-q", "ssh://demo%2Btag@host"+bare, back)
	if a, b := git("-C", work, "rev-parse", "HEAD"), git("-C", back, "rev-parse", "HEAD"); a.Stdout != b.Stdout {
		p.t.Errorf("pushed %s, cloned %s", a.Stdout, b.Stdout)
	}
}

// Sessions on a ControlMaster: many at once over one connection, each with its own exit code.
func TestControlMaster(t *testing.T) {
	need.Tools(t, "ssh")
	p := open(t)
	socket := filepath.Join(p.dir, "mux")
	master := p.ssh("ssh", "-M", "-S", socket, "-N", "-l", "demo", "host")
	if err := master.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		master.Process.Kill()
		master.Wait()
	}()
	need.Eventually(t, "the master listens", func() bool { _, err := os.Stat(socket); return err == nil })
	type result struct {
		outcome
		code int
	}
	results := make(chan result)
	for i := range 12 {
		cmd := p.ssh("ssh", "-S", socket, "-l", "demo", "host", "cat; exit "+string(rune('0'+i%10)))
		go func() { results <- result{run(t, cmd, "text"), i % 10} }()
	}
	for range 12 {
		if r := <-results; r.Code != r.code || r.Stdout != "text" || r.Stderr != "" {
			t.Errorf("%+v", r)
		}
	}
	if n := len(p.warden.Seen().Asserted); n != 1 {
		t.Errorf("%d connections", n)
	}
}
