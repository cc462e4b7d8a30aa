package packaging_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"forkgate/tests/need"
)

// systemd's own measure of what a service could do if it were taken (systemd-analyze(1), security): 0 is nothing, and 100 is everything.
func TestExposure(t *testing.T) {
	need.Tools(t, "systemd-analyze")
	for unit, most := range map[string]string{"gate": "15", "egress": "15", "net": "20", "warden": "35"} {
		file := "units/forkgate-" + unit + ".service"
		if out, err := exec.Command("systemd-analyze", "security", "--no-pager", "--offline=true", "--threshold="+most, file).CombinedOutput(); err != nil {
			t.Errorf("%s is exposed by more than %s of 100: %v\n%s", unit, most, err, out)
		}
		if exec.Command("systemd-analyze", "security", "--no-pager", "--offline=true", "--threshold=1", file).Run() == nil {
			t.Errorf("%s is exposed by nothing at all: this test measures nothing", unit)
		}
	}
}

// Whatever systemd could take from a service and is not told to has a reason in the unit; and no reason is there for what is taken.
func TestWhatIsNotTakenHasAReason(t *testing.T) {
	need.Tools(t, "systemd-analyze")
	for _, unit := range []string{"gate", "egress", "net", "warden"} {
		file := "units/forkgate-" + unit + ".service"
		out, err := exec.Command("systemd-analyze", "security", "--offline=true", "--json=short", file).Output()
		var rows []struct {
			Set      bool
			Name     string
			Exposure string
		}
		if err != nil || json.Unmarshal(out, &rows) != nil || len(rows) < 50 {
			t.Fatalf("systemd-analyze says of %s: %v\n%s", unit, err, out)
		}
		reasons := explained(t, file)
		for _, r := range rows {
			if r.Set || r.Exposure == "" {
				continue
			}
			name := strings.NewReplacer("=/RootImage=", "", "=/DynamicUser=", "", "=~", " ", "=", "").Replace(r.Name)
			if !reasons[name] {
				t.Errorf("%s does not say why it has no %s", file, r.Name)
			}
			delete(reasons, name)
		}
		for name := range reasons {
			t.Errorf("%s says why it has no %s, and has it", file, name)
		}
	}
}

var reason = regexp.MustCompile(`(?m)^# ([A-Z][A-Za-z]+(?: [@A-Za-z(][^:]*)?): .`)

// explained are the directives that a unit gives a reason for.
func explained(t *testing.T, file string) map[string]bool {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, last, found := strings.Cut(string(text), "\n# What systemd-analyze security counts, and this does not give up:\n")
	if !found {
		t.Fatalf("%s gives no reasons", file)
	}
	reasons := map[string]bool{}
	for _, m := range reason.FindAllStringSubmatch(last, -1) {
		reasons[m[1]] = true
	}
	return reasons
}
