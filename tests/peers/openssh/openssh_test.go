package openssh_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"forkgate/tests/machine"
)

// Scripts that run find no fault, and each of them does find one where nobody answers, and where the gate refuses. The table is printed
// in the end.
func TestScripts(t *testing.T) {
	w := newWorld(t)
	found, here := outcomes{of: map[string]string{}}, installed(t)
	t.Run("scripts", func(t *testing.T) {
		for _, r := range table {
			if (r.state == runs || r.state == partly) && slices.Contains(here, r.script) {
				t.Run(r.script, func(t *testing.T) {
					t.Parallel()
					found.note(r.script, try(t, w, r))
				})
			}
		}
	})
	fmt.Print(found.table())
	if new := unknown(here); len(new) > 0 {
		fmt.Printf("nobody has looked at these yet: %s\n", strings.Join(new, ", "))
	}
}

// try runs a script, and then its controls, with the same fork.
func try(t *testing.T, w *world, r row) (outcome string) {
	f := w.newFork(t.Context(), t, r.script)
	own := repository + "=" + r.script // + is a space to scp://
	result := machine.RunCommand(t, w.script(t.Context(), f, own, r.script, gate))
	if !passed(result) {
		logs := w.Run(t.Context(), t, "sh", "-c", "cd /var/lib/forkgate/pool/forks/$0/tree/data/obj; cat failed-regress.log failed-ssh.log", f.guid)
		t.Errorf("exit code %d\n%s\n%s\nssh: %s", result.Code, tail(result.Stdout), tail(result.Stderr), tail(logs.Stdout))
		return "fails"
	}
	if again := machine.RunCommand(t, w.script(t.Context(), f, own, r.script, nobody)); passed(again) {
		t.Errorf("control: it passes although nobody answers\n%s", tail(again.Stdout))
	}
	// An agent does not get into production.
	if again := machine.RunCommand(t, w.script(t.Context(), f, repository, r.script, gate)); passed(again) != r.handshake {
		t.Errorf("control: where the gate refuses it passes: %v\n%s", passed(again), tail(again.Stdout))
	}
	return "passes"
}

// passed is that a script has come to its end and found nothing. One that is skipped ends with 0 as well.
func passed(r machine.Result) bool {
	lines := strings.Split(strings.TrimSpace(r.Stdout), "\n")
	return r.Code == 0 && strings.HasPrefix(lines[len(lines)-1], "ok ")
}

func tail(text string) string {
	lines := strings.Split(text, "\n")
	return strings.Join(lines[max(0, len(lines)-40):], "\n")
}

// outcomes are what came of the scripts that ran.
type outcomes struct {
	lock sync.Mutex
	of   map[string]string
}

func (o *outcomes) note(script, outcome string) {
	o.lock.Lock()
	defer o.lock.Unlock()
	o.of[script] = outcome
}

func (o *outcomes) table() string {
	var text strings.Builder
	count := map[state]int{}
	for _, r := range table {
		count[r.state]++
		fmt.Fprintf(&text, "%-20s %-7s %-7s %s\n", r.script, r.state, o.of[r.script], r.why)
	}
	fmt.Fprintf(&text, "%d scripts: %d run, %d without what waits; %d wait, and %d cannot apply\n",
		len(table), count[runs]+count[partly], count[partly], count[waits], count[never])
	return text.String()
}

// installed are the scripts that this OpenSSH has, without what belongs to others.
func installed(t *testing.T) (names []string) {
	t.Helper()
	files, err := filepath.Glob(regress + "/*.sh")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts in %s: %v", regress, err)
	}
	for _, file := range files {
		switch name := strings.TrimSuffix(filepath.Base(file), ".sh"); name {
		case "test-exec", "sshd-log-wrapper", "scp-ssh-wrapper", "ssh2putty", "valgrind-unit":
		default:
			names = append(names, name)
		}
	}
	return names
}

// unknown are scripts that nobody has looked at: a later OpenSSH brings new ones.
func unknown(installed []string) []string {
	return slices.DeleteFunc(installed, func(name string) bool {
		return slices.ContainsFunc(table, func(r row) bool { return r.script == name })
	})
}

func TestTableGivesReasons(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range table {
		if seen[r.script] {
			t.Errorf("%s is there twice", r.script)
		}
		seen[r.script] = true
		if r.why == "" && (r.state == waits || r.state == never || r.edit != "" || r.cut != "") {
			t.Errorf("%s: no reason is given", r.script)
		}
		if (r.state == partly) != (r.cut != "") && r.state != runs {
			t.Errorf("%s: what waits is cut where a script runs partly", r.script)
		}
	}
}
