package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"forkgate/cmd/forkgate/doors"
)

// ledgerOf is doors of a host whose ledger says what was closed, and whose programs say what they are told to.
func ledgerOf(t *testing.T, ledger string, run doors.Runner) *doors.Doors {
	t.Helper()
	d := &doors.Doors{Host: doors.Here(), Root: t.TempDir(), State: t.TempDir(), Proc: os.DirFS("/proc")}
	d.Host.Files, d.Host.Run = fstest.MapFS{}, run
	if err := os.WriteFile(filepath.Join(d.State, "ledger.json"), []byte(ledger), 0o600); err != nil {
		t.Fatal(err)
	}
	return d
}

// What is opened is told, and who listens where when that changes; what could not be opened is not told as if it were.
func TestUndoSaysWhatItOpens(t *testing.T) {
	const (
		two  = `{"way":"sudo","undo":["a"]},{"way":"sudo","undo":["a"]},{"way":"cron","undo":["b"]}`
		unit = `,{"way":"listener 9/tcp","path":"/etc/systemd/system/once.service.d/zz-forkgate-doors.conf"}`
	)
	for _, c := range []struct{ name, changes, fails, want string }{
		{"nothing", "", "", "nothing was closed\n"},
		{"two ways", two, "", "open again, as before: sudo, cron\n"},
		{"one of them alone", two, "b", "open again, as before: sudo\n"},
		{"a unit that is gone", two + unit, "", "open again, as before: sudo, cron, listener 9/tcp\nonce.service is gone since it was stopped, and is not started again\n"},
		{"the port", `{"way":"port","undo":["p"]}`, "", "sshd has port 22 again, and the gate port 2222: who comes by the gate says ssh -p 2222 from now on\n"},
		{"the port, and nobody sees which", `{"way":"port","undo":["p"]}`, "sshd", "sshd and the gate have the ports again that they had before setup --port-22; which they are cannot be seen: "},
	} {
		d := ledgerOf(t, `{"changes":[`+c.changes+`]}`, func(_ context.Context, argv ...string) (string, error) {
			line := strings.Join(argv, " ")
			switch {
			case argv[0] == c.fails:
				return "", errors.New("it fails")
			case argv[0] == "sshd":
				return "port 22\n", nil
			case strings.HasSuffix(line, "forkgate-gate.socket"):
				return "Id=forkgate-gate.socket\nListen=[::]:2222 (Stream)\n", nil
			case strings.HasSuffix(line, "once.service"):
				return "Id=once.service\nLoadState=not-found\n", nil
			}
			return "", nil
		})
		var out strings.Builder
		err := undoDoors(t.Context(), &out, d)
		if (err != nil) != (c.fails == "b") || !strings.HasPrefix(out.String(), c.want) || c.fails == "" && out.String() != c.want {
			t.Errorf("%s: %v, it says %q", c.name, err, &out)
		}
	}
}

// Who interrupts the look at what is open is not told that all is, but that the closing waits, and that nobody has looked.
func TestAnInterruptedLookIsTold(t *testing.T) {
	d := ledgerOf(t, "{}", func(ctx context.Context, _ ...string) (string, error) { return "", ctx.Err() })
	ctx, cancel := context.WithCancel(t.Context())
	closing := doors.Closing{Ways: []string{"sudo"}, Until: time.Now().Add(time.Minute)}
	var out, told strings.Builder
	if err := tellOfClosing(ctx, &out, d, closing); err != nil || !strings.Contains(out.String(), "sudo") {
		t.Errorf("control: %v, it says %q", err, &out)
	}
	cancel()
	err := tellOfClosing(ctx, &told, d, closing)
	if !errors.Is(err, doors.ErrInterrupted) || !strings.Contains(err.Error(), "waits all the same, until "+closing.Until.Local().Format(time.TimeOnly)) || strings.Contains(told.String(), "sudo") {
		t.Errorf("%v, it says %q", err, &told)
	}
	if err := listDoors(ctx, &told, &told, d, false); !errors.Is(err, doors.ErrInterrupted) || strings.Contains(told.String(), "open") {
		t.Errorf("the list: %v, it says %q", err, &told)
	}
}
