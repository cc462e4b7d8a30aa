package setup

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// leaves is who interrupts at a question, and whose terminal answers it all the same.
type leaves struct {
	proposed
	at    string
	leave context.CancelFunc
}

func (l *leaves) Ask(ctx context.Context, question, proposal string) (string, error) {
	if strings.Contains(question, l.at) {
		l.leave()
	}
	return l.proposed.Ask(ctx, question, proposal)
}

func (l *leaves) Confirm(ctx context.Context, question string, proposal bool) (bool, error) {
	if strings.Contains(question, l.at) {
		l.leave()
	}
	return l.proposed.Confirm(ctx, question, proposal)
}

// withKeys is a host with a key of sshd's, which setup would copy.
func withKeys(t *testing.T) *fake {
	t.Helper()
	f := newFake(t)
	if err := os.MkdirAll(filepath.Join(f.Root, sshdKeys), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(f.Root, sshdKeys, hostKeyFiles[0]), "no key")
	return f
}

// Who interrupts is asked no more, and nothing is done.
func TestInterruptedQuestions(t *testing.T) {
	for at, title := range map[string]string{
		"an empty disk": "the pool", "keys of this host's sshd": "host keys", "your name": "who may speak", "AI agent": "who may speak", "have port 22": "port 22",
		"the other ways": "the other doors", "control: at none": "",
	} {
		f := withKeys(t)
		ctx, cancel := context.WithCancel(t.Context())
		asker := &leaves{at: at, leave: cancel}
		err := Run(ctx, f.Host, asker, Answers{})
		cancel()
		if title == "" {
			if err != nil || len(f.ran) == 0 || !exists(f.path(principals)) {
				t.Errorf("%s: %v, it ran %q", at, err, f.ran)
			}
			continue
		}
		if !errors.Is(err, ErrInterrupted) || !strings.HasPrefix(err.Error(), "interrupted: "+title+": nothing was done") {
			t.Errorf("at %q: %v", at, err)
		}
		if at != "the other ways" && strings.Contains(strings.Join(asker.asked, ""), "the other ways") {
			t.Errorf("at %q: it goes on to ask %q", at, asker.asked)
		}
		if len(f.ran) > 0 || exists(f.path(principals)) || exists(f.path(gateKeys)) {
			t.Errorf("at %q: it ran %q", at, f.ran)
		}
	}
}

// Who interrupts a step has no other one begun, whatever becomes of that: some write by themselves, and would not fail.
func TestInterruptedSteps(t *testing.T) {
	for _, fails := range []error{nil, errors.New("exit status 1")} {
		f := withKeys(t)
		ctx, cancel := context.WithCancel(t.Context())
		run := f.Run
		f.Run = func(ctx context.Context, argv ...string) error {
			cancel()
			return errors.Join(run(ctx, argv...), fails)
		}
		err := Run(ctx, f.Host, &proposed{}, Answers{})
		if !errors.Is(err, ErrUnfinished) || !errors.Is(err, ErrInterrupted) || strings.Contains(err.Error(), "mend that") || !strings.Contains(err.Error(), "what is done stays") {
			t.Errorf("%v: %v", fails, err)
		}
		if len(f.ran) != 1 || exists(f.path(gateKeys)) || exists(f.path(principals)) {
			t.Errorf("%v: it ran %q", fails, f.ran)
		}
	}
}

// What is taken back is taken back by what nobody interrupts, of the doors and of the port.
func TestWhatIsTakenBackIsNotInterrupted(t *testing.T) {
	for _, a := range []Answers{{Doors: true}, {Port: true}} {
		f := newFake(t)
		t.Setenv("LOGNAME", "root")
		f.logins = 1
		var ctx context.Context
		ctx, f.cancel = context.WithCancel(t.Context())
		run, free := f.Run, false
		f.Run = func(ctx context.Context, argv ...string) error {
			if rollback := argv[len(argv)-1] == "--rollback"; rollback != (ctx.Done() == nil) {
				t.Errorf("%q is run so that it can be interrupted: %t", argv, ctx.Done() != nil)
			} else {
				free = free || rollback
			}
			return run(ctx, argv...)
		}
		if err := Run(ctx, f.Host, &proposed{}, a); err == nil || !free {
			t.Errorf("%+v: %v, it ran %q", a, err, f.ran)
		}
		f.cancel()
	}
}
