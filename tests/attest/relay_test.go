package attest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"forkgate/gate/provenance/attestor"
)

// While a host uses a forwarded agent, the child that relays is there to be looked at.
func TestTheRelayIsTheCaller(t *testing.T) {
	w := newWorkstation(t)
	w.daemon(t, "nice", "-n", "-15") // as the unit has it
	p := w.login(t)
	fingerprint := w.ownAgent(t, p)
	var seen []string
	w.other.borrowed = func(a agent.ExtendedAgent) {
		keys, err := a.List()
		for _, k := range keys {
			seen = append(seen, ssh.FingerprintSHA256(k))
		}
		if err != nil {
			seen = append(seen, err.Error())
		}
		seen = append(seen, relays(w)...)
	}
	p.asks("ssh -A -n -F ssh_config demo@other whoami")
	if nice := niceOf(fmt.Sprintf("/proc/%d/stat", w.pid)); nice != "-15" {
		t.Fatalf("the daemon's own nice value is %s", nice)
	}
	want := []string{fingerprint, fmt.Sprintf("Uid %d %[1]d %[1]d %[1]d, Groups %[1]d, CapPrm 0000000000000000, CapEff 0000000000000000, NoNewPrivs 1, nice 0", uid)}
	if fmt.Sprint(seen) != fmt.Sprint(want) {
		t.Errorf("got %q\nwant %q", seen, want)
	}
}

// relays describes the children that relay: /proc/PID/status of those.
func relays(w *workstation) (found []string) {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range files {
		line, _ := os.ReadFile(file)
		if !bytes.Equal(line, []byte("/proc/self/exe\x00"+attestor.RelayCommand+"\x00")) {
			continue
		}
		status, _ := os.ReadFile(filepath.Join(filepath.Dir(file), "status"))
		var words []string
		for line := range strings.Lines(string(status)) {
			name, rest, _ := strings.Cut(line, ":")
			switch name {
			case "Uid", "Groups", "CapPrm", "CapEff", "NoNewPrivs":
				words = append(words, name+" "+strings.Join(strings.Fields(rest), " "))
			}
		}
		for _, thread := range threads(filepath.Dir(file)) {
			if nice := niceOf(thread); nice != "0" {
				words = append(words, "a thread of nice "+nice)
			}
		}
		found = append(found, strings.Join(append(words, "nice "+niceOf(filepath.Join(filepath.Dir(file), "stat"))), ", "))
	}
	return found
}

func threads(process string) []string {
	stats, _ := filepath.Glob(process + "/task/*/stat")
	return stats
}

// niceOf reads a nice value: field 19 of /proc/PID/stat, proc(5). The names of these processes have no spaces.
func niceOf(stat string) string {
	text, _ := os.ReadFile(stat)
	if fields := strings.Fields(string(text)); len(fields) > 18 {
		return fields[18]
	}
	return "unknown"
}
