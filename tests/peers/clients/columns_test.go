package clients

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"forkgate/tests/machine"
)

// columns are what clients are asked to do.
func columns() []column {
	extra, _ := reverse()
	return append([]column{
		{name: "exec", check: executed},
		{name: "pty", check: onTerminal},
		{name: "stdin", check: passed},
		{name: "files", check: filed},
		{name: "copy", check: copied},
		{name: "-L", serves: true, check: answered},
		{name: "-D", serves: true, check: answered},
		{name: "-W", serves: true, check: answered},
		{name: "socket", serves: true, check: answered},
		{name: "refused", login: "demo", check: refused},
		{name: "files refused", login: "demo", check: refused},
		{name: "forward refused", login: "demo", check: refused},
		{name: "keys"},
	}, extra...)
}

// What clients run for the columns.
const (
	// apart ends with an exit code, and has something to say on both outputs.
	apart = `'echo out; echo err >&2; exit 7'`
	// terminal has a size that somebody told.
	terminal = `'tty; stty size; echo $TERM'`
	// whose says in which home, and so as which principal and kind, it runs.
	whose = `'echo $HOME'`
)

// executed wants what apart does.
func executed(_ *testing.T, _ *work, r machine.Result) (string, error) {
	if r.Code != 7 || r.Stdout != "out\n" || strings.TrimRight(r.Stderr, "\r\n") != "err" {
		return "", errors.New("want the exit code 7, out on the one output and err on the other")
	}
	return "yes", nil
}

func onTerminal(_ *testing.T, _ *work, r machine.Result) (string, error) {
	if !strings.Contains(r.Stdout, "/dev/pts/") || strings.Contains(r.Stdout, "not a tty") || r.Code != 0 {
		return "", errors.New("it has no terminal")
	}
	return "yes", nil
}

// passed wants all of the large file back, which the scripts pipe into sha256sum.
func passed(_ *testing.T, w *work, r machine.Result) (string, error) {
	if r.Code != 0 || strings.Fields(r.Stdout + " ?")[0] != w.world.hugeSum {
		return "", errors.New("what comes back is not what went in")
	}
	return "yes", nil
}

// filed wants what the script did with files to be so, inside and outside: big has been put as d/up, moved to d/moved, listed, and
// fetched as got; what was put as d/gone is gone, and so is the directory d/e.
func filed(t *testing.T, w *work, r machine.Result) (string, error) {
	inside := w.inside(t, "cd d && ls -A && sha256sum <moved")
	if want := "moved\n" + w.world.bigSum + "  -\n"; r.Code != 0 || inside != want {
		return "", fmt.Errorf("in the fork is %q, not %q", inside, want)
	}
	if !strings.Contains(r.Stdout, "moved") {
		return "", errors.New("the list does not have it")
	}
	return w.fetched(t)
}

// copied wants big to be there as copied, and fetched as got.
func copied(t *testing.T, w *work, r machine.Result) (string, error) {
	if inside := w.inside(t, "sha256sum <copied"); r.Code != 0 || inside != w.world.bigSum+"  -\n" {
		return "", fmt.Errorf("in the fork is %q", inside)
	}
	return w.fetched(t)
}

// answered wants the answer of the server inside.
func answered(_ *testing.T, _ *work, r machine.Result) (string, error) {
	if r.Code != 0 || strings.TrimSpace(r.Stdout) != "THROUGH" {
		return "", errors.New("the server in the fork did not answer")
	}
	return "yes", nil
}

// reason is what production answers an agent, up to where a client may break the line.
const reason = "demo is a grand (production) repository; agents work in forks"

// refused wants nothing to have happened, and tells what the client shows and which exit code it passes on.
func refused(_ *testing.T, _ *work, r machine.Result) (string, error) {
	if r.Code == 0 || strings.Contains(r.Stdout, "/home/") || strings.Contains(r.Stdout, "THROUGH") || strings.Contains(r.Stdout, "orders") {
		return "", errors.New("it was not refused")
	}
	said := "silent"
	if strings.Contains(r.Stdout+r.Stderr, reason) && strings.Contains(r.Stdout+r.Stderr, "ssh demo+NAME@host") {
		said = "told"
	}
	return fmt.Sprintf("%s, %d", said, r.Code), nil
}
