package pod

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"forkgate/nsjail"
	"forkgate/nsjail/idmap"
	"forkgate/nsjail/wire"
)

// newCopy is a pod that holds a secret of production, and a container of its.
func newCopy(t *testing.T, rules ...wire.Scrub) *testPod {
	t.Helper()
	p := newTestPod(t)
	must(t, os.WriteFile(filepath.Join(p.spec.Data, ".env"), []byte("KEY=sk_live_1\n"), 0o600))
	must(t, os.Chown(filepath.Join(p.spec.Data, ".env"), idmap.Foreign+70, idmap.Foreign+70)) // not the session's: a container's
	makeOwned(t, filepath.Join(p.spec.Docker, "containers"), 0)
	makeOwned(t, filepath.Join(p.spec.Docker, "containers/one"), 0)
	p.spec.Scrub = rules
	return p
}

// A copy is scrubbed before anybody is in it, by its own root, which reaches nothing and leaves nothing running; and the report says so.
func TestScrub(t *testing.T) {
	rules := []wire.Scrub{
		{Name: "keys", Files: []string{"**/.env"}, Set: map[string]string{"KEY": "sandbox"}},
		{Name: "program", Run: []string{"sh", "-c", "id -u >links; ls /sys/class/net >>links; chmod 644 links .env; sleep 98765 & echo it ran"}},
	}
	for name, build := range map[string]func(*testing.T) *testPod{
		"at once": func(t *testing.T) *testPod {
			p := newCopy(t, rules...)
			must(t, p.spec.Write(p.run))
			p.launch(t)
			return p
		},
		"ahead": func(t *testing.T) *testPod {
			p := newCopy(t, rules...)
			spare := p.spec
			spare.Ahead, spare.Hostname, spare.Data, spare.Docker, spare.Scrub = true, "", "", "", nil
			must(t, spare.Write(p.run))
			p.launch(t)
			must(t, p.spec.Write(p.run))
			must(t, nsjail.Take(t.Context(), p.run, p.guid))
			return p
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := build(t)
			if out, exit := p.sh(t, "cat .env links"); out != "KEY=sandbox\n0\nlo\n" || exit.Code != 0 {
				t.Errorf("a session sees %q", out)
			}
			done, err := nsjail.ReadScrubbed(p.run, p.guid)
			if err != nil || done.Error != "" || len(done.Steps) != 3 || done.Steps[0].Name != "docker state" || done.Steps[1].Files != 1 {
				t.Errorf("%+v, %v", done, err)
			}
			if _, err := os.Stat(filepath.Join(p.spec.Docker, "containers")); !os.IsNotExist(err) {
				t.Errorf("the parent's container is still there: %v", err)
			}
			if out, err := exec.Command("pgrep", "-fx", "sleep 98765").Output(); err == nil {
				t.Errorf("what the program left behind runs: %s", out)
			}
		})
	}
}

// A copy that cannot be scrubbed whole is nobody's: its pod does not start, and the reason is on record. The control is TestScrub.
func TestWhatCannotBeScrubbed(t *testing.T) {
	for says, rule := range map[string]wire.Scrub{
		`scrub "x": ".env": line 1: a quote (") that nothing closes`: {Name: "x", Files: []string{".env"}, Set: map[string]string{"KEY": "y"}},
		`scrub "x": false: exit status 1`:                            {Name: "x", Run: []string{"false"}},
	} {
		p := newCopy(t, rule)
		must(t, os.WriteFile(filepath.Join(p.spec.Data, ".env"), []byte("KEY=\"sk_live_1\n"), 0o600))
		must(t, p.spec.Write(p.run))
		cmd := p.command(t)
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), "cannot scrub pod "+p.guid) {
			t.Errorf("%s: %v\n%s", says, err, out)
		}
		if done, err := nsjail.ReadScrubbed(p.run, p.guid); err != nil || done.Error != says {
			t.Errorf("%+v, %v", done, err)
		}
		if err := unix.Access(nsjail.ControlSocket(p.run, p.guid), unix.F_OK); err == nil {
			t.Error("somebody could enter")
		}
	}
}

// It is scrubbed before it has a network: what has none to be had is scrubbed all the same.
func TestScrubbedBeforeTheNetwork(t *testing.T) {
	p := newCopy(t, wire.Scrub{Name: "keys", Files: []string{"**/.env"}, Remove: true})
	p.spec.Network = nsjail.Network{Slot: 4095, Egress: []string{"*"}}
	must(t, p.spec.Write(p.run))
	out, err := p.command(t).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "cannot get the rules for the pod's network") {
		t.Errorf("without rules: %v\n%s", err, out)
	}
	if _, err := os.Stat(filepath.Join(p.spec.Data, ".env")); !os.IsNotExist(err) {
		t.Errorf("the secret is still there: %v", err)
	}
}
