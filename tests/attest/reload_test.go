package attest

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"forkgate/gate/provenance"
	"forkgate/tests/need"
)

// reload has the daemon read its files again, and waits until it says what came of it.
func (w *workstation) reload(t *testing.T, says string) {
	t.Helper()
	before := len(w.log.String())
	must(t, syscall.Kill(w.pid, syscall.SIGHUP))
	need.Eventually(t, "word of the reload, "+says, func() bool { return strings.Contains(w.log.String()[before:], says) })
}

// What does not load leaves the last good configuration in force, and the daemon says so. Who was a person before is one afterwards.
func TestReload(t *testing.T) {
	w := newWorkstation(t)
	w.daemon(t)
	p := w.login(t)
	hosted := "script -qec \"$ssh\" /dev/null"
	if a := p.asks(hosted); a.Attested.Person() {
		t.Errorf("before, a host that is not admitted: %+v", a)
	}
	good, err := os.ReadFile(filepath.Join(w.dir, "attest.hcl"))
	must(t, err)
	w.write(t, "attest.hcl", "hosts = [\"/usr/bin/script\"\n%s", good)
	w.reload(t, "the last good one stays")
	if said := w.log.String(); !strings.Contains(said, "attest.hcl:") {
		t.Errorf("it does not say where: %s", said)
	}
	if a := p.asks("$ssh"); !a.Attested.Person() {
		t.Errorf("with a configuration that does not load: %+v", a)
	}
	if a := p.asks(hosted); a.Attested.Person() {
		t.Errorf("what does not load is in force: %+v", a)
	}
	w.write(t, "attest.hcl", "hosts = [\"/usr/bin/script\"]\n%s", good)
	w.reload(t, "is loaded again")
	if a := p.asks(hosted); !a.Attested.Person() {
		t.Errorf("what has loaded is not in force: %+v", a)
	}
}

// An agent is added by data alone. Nobody has watched for it until then, so that who was there before logs in again.
func TestAnAgentIsAddedByDataOnly(t *testing.T) {
	w := newWorkstation(t)
	program, err := os.ReadFile(filepath.Join("testdata", "claude"))
	must(t, err)
	must(t, os.WriteFile(filepath.Join(w.dir, "newbot"), program, 0o755))
	w.daemon(t)
	p := w.login(t)
	if a := p.asks("./newbot $ssh"); !a.Attested.Person() {
		t.Errorf("the control, an agent that nobody has described: %+v", a.Attested.Statement)
	}
	agents, err := os.ReadFile(filepath.Join(w.dir, "agents.hcl"))
	must(t, err)
	w.write(t, "agents.hcl", "%s\nagent \"Newbot\" {\n  env  = [\"NEWBOT\"]\n  comm = [\"newbot\"]\n}\n", agents)
	w.reload(t, "is loaded again")
	if s := p.asks("$ssh").Attested.Statement; s.Verdict != provenance.Unverified || !strings.Contains(strings.Join(s.Reasons, "\n"), "older than the attestor") {
		t.Errorf("who was there before: %+v", s)
	}
	for _, command := range []string{"./newbot $ssh", "NEWBOT=1 $ssh"} {
		if s := w.login(t).asks(command).Attested.Statement; s.Verdict != provenance.ByAgent || s.Agent != "Newbot" {
			t.Errorf("%s: %+v", command, s)
		}
	}
	if a := w.login(t).asks("$ssh"); !a.Attested.Person() {
		t.Errorf("who logs in afterwards: %+v", a)
	}
}
