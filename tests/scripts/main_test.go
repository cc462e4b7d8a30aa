package scripts_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"forkgate/tests/host"
	"forkgate/tests/need"
)

func TestMain(m *testing.M) { need.Parallel(m) }

// TestStories sets one host up for all stories that leave it as it is, as that takes some seconds.
func TestStories(t *testing.T) {
	h, forge := stage(t)
	t.Run("stories", func(t *testing.T) { testscript.Run(t, params(h, forge, files(t, "stories")...)) })
	t.Run("tampered", func(t *testing.T) { tampered(t, h, forge) })
	t.Run("sshd", func(t *testing.T) { likeSSHD(t, h) })
	t.Run("forced", func(t *testing.T) { forced(t, h, forge) })
}

// TestAlone has a host for what changes it for everybody: the policy, the pool's free space, whether its parts run.
func TestAlone(t *testing.T) {
	h, forge := stage(t)
	for _, file := range files(t, "alone") {
		t.Run("alone", func(t *testing.T) { testscript.Run(t, params(h, forge, file)) })
		// A story that fails half-way spoils no other one.
		h.Must(t, "sh", "-ec", `rm -f /etc/forkgate/policy.d/story.hcl /var/lib/forkgate/pool/filler
			if [ -e /root/attestors.hcl ]; then mv /root/attestors.hcl /etc/forkgate/policy.d/; fi
			systemctl start forkgate.target; systemctl reload-or-restart forkgate-warden`)
	}
	t.Run("struck parts", func(t *testing.T) { struckParts(t, h) })
	t.Run("killed wardens", func(t *testing.T) { killedWardens(t, h) })
}

// stage is a host with two repositories, and attestors that say what a story has them say.
func stage(t *testing.T) (*host.Host, *forge) {
	t.Helper()
	needTools(t)
	t.Parallel()
	h := host.Start(t, cast(t))
	h.Must(t, "sh", "-ec", "mkdir -p /root/data/app; echo orders >/root/data/orders.txt; echo 'print(1)' >/root/data/app/main.py")
	for _, name := range []string{"demo", "shop"} {
		h.Repo(t, name, "/root/data")
	}
	return h, newForge(t, h)
}

// TestBare tells what operators see on a host where something is missing.
func TestBare(t *testing.T) {
	needTools(t)
	t.Parallel()
	h := host.Start(t, host.Options{Bare: true})
	for _, file := range files(t, "bare") {
		t.Run("bare", func(t *testing.T) { testscript.Run(t, params(h, nil, file)) })
	}
}

func needTools(t *testing.T) {
	need.Systemd(t)
	need.Tools(t, "ssh", "scp", "sftp", "sshfs", "rsync", "git", "cc", "python3", "socat", "asciinema", "/usr/sbin/sshd")
}

func files(t *testing.T, dir string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join("testdata", dir, "*.txtar"))
	if err != nil || len(found) == 0 {
		t.Fatalf("no stories in %s: %v", dir, err)
	}
	return found
}

// patience is how long the stories that run side by side may take. The slowest of them takes half a minute where nothing else runs.
const patience = 5 * time.Minute

// roles are the keys that each story has.
var roles = []string{"person", "agent", "rival", "stranger"}

// cast gives every story principals of its own: how many forks a principal may have is limited.
func cast(t *testing.T) (o host.Options) {
	stories := slices.Concat(files(t, "stories"), files(t, "alone"), files(t, "forced"))
	for _, file := range append(stories, "sshd.txtar", "killed.txtar", "struck.txtar") {
		name := story(file)
		o.People = append(o.People, name+"-person")
		o.Agents = append(o.Agents, name+"-agent", name+"-rival")
		o.Keys = append(o.Keys, name+"-stranger")
	}
	byAccounts(t, &o)
	return o
}

func story(file string) string { return strings.TrimSuffix(filepath.Base(file), ".txtar") }

func params(h *host.Host, f *forge, files ...string) testscript.Params {
	return testscript.Params{
		Files: files,
		Setup: func(e *testscript.Env) error { return setUp(h, f, e) },
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code": code,
		},
		Deadline:      time.Now().Add(patience),
		UpdateScripts: os.Getenv("UPDATE") != "",
	}
}

// setUp makes the story's ssh_config, its programs and, where there is a forge, its attestors.
func setUp(h *host.Host, f *forge, e *testscript.Env) error {
	name := strings.TrimPrefix(filepath.Base(e.WorkDir), "script-")
	config := "Include " + h.Config + "\n"
	for _, role := range roles {
		config += fmt.Sprintf("Host %s\n  IdentityFile %s/%s-%s\n", role, h.Dir, name, role)
		e.Setenv(role, name+"-"+role)
	}
	place := filepath.Join(e.WorkDir, "ssh_config")
	if err := os.WriteFile(place, []byte(config), 0o600); err != nil {
		return err
	}
	image, err := filepath.Abs("testdata/image.sh")
	if err != nil {
		return err
	}
	programs, err := makePrograms(h, e.WorkDir, place)
	e.Setenv("PATH", programs+":/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
	e.Setenv("HOME", e.WorkDir)
	e.Setenv("KEYS", h.Dir)
	e.Setenv("IMAGE", image)
	e.Setenv("TERM", "xterm-256color")
	e.Setenv("LANG", "C.UTF-8")
	e.Setenv("GIT_CONFIG_NOSYSTEM", "1")
	if err != nil || f == nil {
		return err
	}
	if err := f.drawer.env(e); err != nil {
		return err
	}
	return f.serve(e, filepath.Join(e.WorkDir, ".forge"))
}

// makePrograms puts the clients into the host's network, with the story's ssh_config. Each becomes the client itself by exec, so that
// a signal reaches it.
func makePrograms(h *host.Host, work, config string) (dir string, err error) {
	dir = filepath.Join(work, ".programs")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", err
	}
	innet := "exec nsenter --net=" + h.NetNS() + " -- "
	// A story's files are on the host as well, in its copy of /tmp: its PATH must not lead there.
	run := h.Command(context.Background(), "").Args
	onhost := "exec " + strings.Join(run[:len(run)-1], " ") + " env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin "
	attested := "said=" + filepath.Join(work, ".forge") + "/$1; shift; " + innet + "/usr/bin/ssh -F " + config + " -o IdentityAgent=$said -o IdentitiesOnly=no"
	for name, line := range map[string]string{
		"attested": attested, // attested KIND ARGS... is an ssh of which the forge says KIND
		"ssh":      innet + "/usr/bin/ssh -F " + config,
		"scp":      innet + "/usr/bin/scp -F " + config,
		"sftp":     innet + "/usr/bin/sftp -F " + config,
		"innet":    innet,
		"onhost":   onhost,
		"forkgate": onhost + " forkgate",
	} {
		text := "#!/bin/sh\n" + line + " \"$@\"\n"
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o700); err != nil {
			return "", err
		}
	}
	return dir, nil
}

// code runs a command that must end with the given exit code: code 254 ssh demo@agent id.
func code(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N COMMAND...")
	}
	got, err := "0", ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		got = fmt.Sprint(exit.ExitCode())
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if got != args[0] {
		ts.Fatalf("exit code %s, want %s", got, args[0])
	}
}
