package doors

import (
	"context"
	"errors"
	"strings"
	"testing"
)

// interrupts has the context end when a command is run the nth time, which fails then, as all that is run after it in that context would.
func interrupts(t *testing.T, h *house, at string, nth int) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	run := h.Host.Run
	h.Host.Run = func(ctx context.Context, argv ...string) (string, error) {
		if strings.HasPrefix(strings.Join(argv, " "), at) {
			if nth--; nth == 0 {
				cancel()
			}
		}
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return run(ctx, argv...)
	}
	return ctx
}

// Who interrupts a closing is told that, and has all as it was: neither a reason that is none, nor half of it waits.
func TestAnInterruptedClosing(t *testing.T) {
	for at, c := range map[string]struct {
		names []string
		told  string
	}{
		"sshd -T":                       {[]string{All}, "interrupted, and nothing was changed"},
		"systemctl show":                {[]string{All}, "interrupted, and nothing was changed"},
		"systemctl start":               {[]string{All}, "interrupted, and what was closed is taken back: "},
		"visudo":                        {[]string{All}, "interrupted, and what was closed is taken back: "},
		"visudo ":                       {some3, "interrupted, and what was closed is taken back: "},
		"control: nobody interrupts it": {some3, ""},
	} {
		h := build(t)
		before := h.shape(t)
		done, err := h.Close(interrupts(t, h, at, 1), c.names...)
		if c.told == "" {
			if err != nil || len(done.Ways) != 3 {
				t.Errorf("%s: %+v, %v", at, done, err)
			}
			continue
		}
		if !errors.Is(err, ErrInterrupted) || !strings.HasPrefix(err.Error(), c.told) {
			t.Errorf("%s: %+v, %v", at, done, err)
		}
		if l := h.ledger(t); l.Pending != nil || len(l.Changes) > 0 || h.armed() {
			t.Errorf("%s: the ledger has %+v", at, l)
		}
		same(t, at, before, h.shape(t))
	}
}

// What waits goes on waiting when the look at what is open is interrupted, and nothing that does not answer is told as open.
func TestAnInterruptedLook(t *testing.T) {
	h := build(t)
	done, err := h.Close(t.Context(), some3...)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.Look(ctx, &done); !errors.Is(err, ErrInterrupted) || len(done.Ways) != 3 || len(done.Left) > 0 {
		t.Errorf("%+v, %v", done, err)
	}
	if l := h.ledger(t); l.Pending == nil || !h.armed() {
		t.Errorf("the ledger has %+v", l)
	}
}

// ^C at a terminal reaches none of the programs that are run: it would end one that takes something back.
func TestProgramsDoNotHearTheTerminal(t *testing.T) {
	if out, err := run(t.Context(), "sh", "-c", `set -- $(cat /proc/$$/stat); [ "$6" = $$ ]`); err != nil { // proc_pid_stat(5): the session
		t.Errorf("%s%v", out, err)
	}
}
