package pod

import (
	"strings"
	"testing"

	"forkgate/nsjail"
)

// Sessions get answers at once: for the pod's own name, and a refusal for all others.
func TestNamesInAPod(t *testing.T) {
	p := startPod(t)
	for _, name := range []string{"localhost", "demo-x"} {
		if out, exit := p.sh(t, "nslookup -type=a "+name+" 127.0.0.1"); exit.Code != 0 || !strings.Contains(out, "Address: 127.0.0.1") {
			t.Errorf("nslookup %s: %+v\n%s", name, exit, out)
		}
	}
	if out, exit := p.sh(t, "nslookup -type=a secret.attacker.example 127.0.0.1 2>&1"); exit.Code == 0 || !strings.Contains(out, "REFUSED") {
		t.Errorf("a name that is not the pod's: %+v\n%s", exit, out)
	}
}

// A pod that may reach nothing has nothing to reach it by.
func TestNoLinkWithoutNetwork(t *testing.T) {
	p := startPod(t)
	if out, _ := p.sh(t, "ls /sys/class/net"); strings.TrimSpace(out) != "lo" {
		t.Errorf("the pod has the links %q", out)
	}
}

// Where forkgate-net does not answer, a pod that wants a network does not start.
func TestNoPodWithoutRules(t *testing.T) {
	p := startPod(t)
	must(t, p.process.Process.Kill())
	_ = p.process.Wait()
	emptyCgroup(t, p.cgroup)
	p.spec.Network = nsjail.Network{Slot: 4095, Egress: []string{"*"}}
	must(t, p.spec.Write(p.run))
	cmd := p.command(t)
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "cannot get the rules for the pod's network") {
		t.Errorf("without rules: %v\n%s", err, out)
	}
}
