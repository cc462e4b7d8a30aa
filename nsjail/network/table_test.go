package network

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"forkgate/nsjail"
	"forkgate/tests/need"
)

// Somebody flushes, edits or deletes the table, in the ways that there are. It comes back as it was, pods included.
func TestRestored(t *testing.T) {
	l := newLab6(t)
	l.serve(t)
	p := l.joins(t, "a0", nsjail.Network{Slot: 1, Egress: everything, Publish: []string{"443:8443/tcp"}, Resolvers: []string{"1.1.1.1"}})
	want := l.table(t)
	for what, edit := range map[string]string{
		"flush everything":             "nft flush ruleset",
		"flush the table":              "nft flush table inet forkgate",
		"delete the table":             "nft delete table inet forkgate",
		"flush a chain":                "nft flush chain inet forkgate from_pod",
		"accept all":                   "nft insert rule inet forkgate from_pod accept",
		"put the table off":            "nft add table inet forkgate '{ flags dormant; }'",
		"open a range":                 "nft add element inet forkgate inside '{ 10.214.0.6 . 172.16.0.0/12 . tcp . 0-65535 }'",
		"let a source pass":            `nft add element inet forkgate sources '{ "fg1" . 9.9.9.9 }'`,
		"take a pod away":              `nft delete element inet forkgate sources '{ "fg1" . 10.214.0.6 }'`,
		"close what is never":          "nft flush set inet forkgate never",
		"publish elsewhere":            "nft add element inet forkgate publish '{ tcp . 22 : 10.214.0.6 . 22 }'",
		"another uplink":               "nft add element inet forkgate uplinks '{ lan0 }'",
		"close what is never, of IPv6": "nft flush set inet forkgate never6",
		"a chain policy":               "nft add chain inet forkgate forward '{ policy drop; }'",
		"again, when it is back": `for i in 1 2 3 4 5 6 7 8 9 10; do
			nft delete table inet forkgate; until nft list table inet forkgate >/dev/null 2>&1; do :; done; done`,
		"twice, at once": "nft flush ruleset; nft add table inet forkgate; nft flush ruleset",
	} {
		l.host.sh(t, edit)
		need.Eventually(t, "the rules are back after: "+what, func() bool { return l.table(t) == want })
	}
	if got := p.try(t, "tcp", "8.8.8.8:80"); got != "ok internet "+hostAddress {
		t.Errorf("after all that, what is open: %s", got)
	}
	if got := p.try(t, "tcp", "169.254.169.254:80"); got != "refused" {
		t.Errorf("after all that, what is not open: %s", got)
	}
	l.service.end()
	l.host.sh(t, "nft flush ruleset")
	if got := l.table(t); got != "" {
		t.Errorf("control: with nobody to restore them there are rules:\n%s", got)
	}
}

// Somebody edits the table in the very moment in which a pod comes or goes: the edit is not taken for the service's own.
func TestRestoredWhilePodsComeAndGo(t *testing.T) {
	l := newLab(t)
	l.serve(t)
	p := l.joins(t, "a0", nsjail.Network{Slot: 1, Egress: everything})
	for range 5 {
		must(t, l.service.Process.Signal(syscall.SIGSTOP)) // so that it finds the edit and the pod together
		l.host.sh(t, "nft insert rule inet forkgate from_pod accept")
		awake := time.AfterFunc(200*time.Millisecond, func() { _ = l.service.Process.Signal(syscall.SIGCONT) })
		other := l.joins(t, "b0", nsjail.Network{Slot: 2, Egress: everything})
		awake.Stop()
		need.Eventually(t, "the edit is undone", func() bool { return !strings.Contains(l.table(t), "chain from_pod {\n\t\taccept") })
		if got := p.try(t, "tcp", "169.254.169.254:80"); got != "refused" {
			t.Errorf("the metadata service: %s", got)
		}
		other.supervisor.stop(t)
	}
}

// What cannot be restored at once, as nft does not run, is restored when it does.
func TestRestoredWhenItCanBe(t *testing.T) {
	l := newLoneLab(t)
	nft, err := exec.LookPath("nft")
	must(t, err)
	dir := t.TempDir()
	must(t, os.WriteFile(dir+"/nft", []byte("#!/bin/sh\n[ -e "+dir+"/broken ] && { echo \"$@\" >>"+dir+"/tried; exit 1; }\nexec "+nft+" \"$@\"\n"), 0o755))
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	l.serve(t)
	want := l.table(t)
	must(t, os.WriteFile(dir+"/broken", nil, 0o644))
	l.host.sh(t, nft+" flush ruleset")
	need.Eventually(t, "it is tried, and then what comes after it", func() bool {
		tried, _ := os.ReadFile(dir + "/tried")
		return strings.Contains(string(tried), "list chains")
	})
	time.Sleep(time.Second) // until nothing more is to be told of the flush: it is to try again by itself
	must(t, os.Remove(dir+"/broken"))
	need.Eventually(t, "the rules are back", func() bool { return l.table(t) == want })
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// The rules of others that come and go are none of the service's business, nor does it touch them.
func TestOthersAreLeftAlone(t *testing.T) {
	l := newLab(t)
	l.host.sh(t, "nft 'add table inet mine; add chain inet mine c { type filter hook input priority 0; }; add rule inet mine c tcp dport 1 drop'")
	mine := l.host.sh(t, "nft list table inet mine")
	l.serve(t)
	p := l.joins(t, "a0", nsjail.Network{Slot: 1, Egress: everything})
	p.supervisor.stop(t)
	l.service.stop(t)
	if got := l.table(t); got != mine {
		t.Errorf("the ruleset was\n%s\nand is\n%s", mine, got)
	}
}
