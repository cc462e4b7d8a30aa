// Package setup makes a gate of a host on which forkgate is installed: a pool, who may speak, the services, the tools inside sessions, the first
// repository, and, when somebody was seen to come in through it, that nothing else leads there. Each step is a command that the operator could have typed, and is shown as that; a step whose result is there already is passed
// over, so that a setup that failed goes on where it was when it is said again.
//
// It decides nothing by itself that policy would: a key is an agent's unless the operator has said that no agent reaches it.
//
// It trusts the operator, and what sshd trusts already: the authorized_keys that it reads.
package setup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// ErrUnfinished is the error of a setup that a step has ended: those before it stay, and it can be said again.
var ErrUnfinished = errors.New("setup is not finished")

// ErrInterrupted is the error of a setup that who types has ended.
var ErrInterrupted = errors.New("interrupted")

// Answers are what the operator was asked, or has said by flags. What is empty is asked for.
type Answers struct {
	Device    string // an empty block device for the pool; a sparse file where it is empty
	Size      string // of that file
	OwnKeys   bool   // the gate is known by the keys of the host's sshd
	Principal string // who types, at the gate
	Keys      string // file of that one's keys, as authorized_keys has them
	Vouched   bool   // no agent reaches these keys
	Rootfs    string // tar file of the tools inside sessions; built where it is empty
	Repo      string // name of the first repository; none where it is empty
	From      string // what it is made of: a directory or tar file, or a directory with a Compose project that runs
	Port      bool   // the gate takes sshd's port
	Doors     bool   // the other ways onto the host are closed

	keys []string // what was in Keys when the operator was asked about it
}

// Asker asks the operator. The answer to an empty line is what is proposed. Who interrupts is not waited for.
type Asker interface {
	Ask(ctx context.Context, question, proposed string) (string, error)
	Confirm(ctx context.Context, question string, proposed bool) (bool, error)
	// Wrong says why the last answer will not do. It returns an error where it is no use to ask again.
	Wrong(why error) error
}

// Pools says why a pool cannot be made; what is wrong is said when it is asked, and nothing is written.
type Pools interface {
	Device(ctx context.Context, path string) error // on it
	Size(size string) error                        // in a file that large
}

// Host is what the steps are done on. Run runs a command, whose output the operator sees.
type Host struct {
	Root   string // of the filesystem: / but in tests
	Self   string // the forkgate to run
	Run    func(ctx context.Context, argv ...string) error
	Output func(ctx context.Context, argv ...string) (string, error)
	Out    io.Writer
	Pools  Pools
	Ports  Ports
	Doors  Doors

	Projects Projects
	// Principals are those of the policy that is installed.
	Principals func() ([]string, error)
	// Login waits until the record has a principal whom the gate let in after a moment.
	Login func(ctx context.Context, who string, after time.Time) error
}

// step is one of what makes a gate of a host.
type step struct {
	title string
	done  func(context.Context, *Host) string                 // what is there already; empty: nothing
	ask   func(context.Context, *Host, Asker, *Answers) error // what do needs to know
	do    func(context.Context, *Host, Answers) error
}

// Run asks for what is missing in a, and sets the host up. Nothing is done before all is asked, and no step is begun after an interruption.
func Run(ctx context.Context, h *Host, asker Asker, a Answers) error {
	todo, err := askAll(ctx, h, asker, &a)
	if err != nil {
		return err
	}
	for _, s := range todo {
		switch err := s.begin(ctx, h, a); {
		case err != nil && ctx.Err() != nil:
			return fmt.Errorf("%w: %s: %w\nwhat is done stays; forkgate setup goes on from there", ErrUnfinished, s.title, interrupted(err))
		case err != nil:
			return fmt.Errorf("%w: %s: %w\nwhat is done stays; mend that, and say forkgate setup again", ErrUnfinished, s.title, err)
		}
	}
	return nil
}

// askAll asks for what the steps need to know whose result is not there.
func askAll(ctx context.Context, h *Host, asker Asker, a *Answers) (todo []step, err error) {
	for _, s := range steps() {
		if there := s.done(ctx, h); there != "" {
			fmt.Fprintf(h.Out, "%s: %s\n", s.title, there)
			continue
		}
		err := s.ask(ctx, h, asker, a)
		if ctx.Err() != nil {
			return nil, fmt.Errorf("%w: %s: nothing was done; forkgate setup asks again", ErrInterrupted, s.title)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.title, err)
		}
		todo = append(todo, s)
	}
	return todo, nil
}

func (s step) begin(ctx context.Context, h *Host, a Answers) error {
	// Again: a warden that did not run could not say what it has, and runs since the services were started.
	there := s.done(ctx, h)
	if ctx.Err() != nil { // what some steps write asks nobody else
		return ErrInterrupted
	}
	if there != "" {
		fmt.Fprintf(h.Out, "\n%s: %s\n", s.title, there)
		return nil
	}
	fmt.Fprintf(h.Out, "\n%s\n", s.title)
	return s.do(ctx, h, a)
}

// interrupted has what failed by an interruption read as one.
func interrupted(err error) error {
	if errors.Is(err, ErrInterrupted) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrInterrupted, err)
}

// ask fills in what no flag has said. An answer that will not do is asked for again, with the reason; a flag that will not do is an error.
func ask(ctx context.Context, asker Asker, answer *string, question, proposed string, check func(string) error) error {
	if *answer != "" {
		return check(*answer)
	}
	for {
		said, err := asker.Ask(ctx, question, proposed)
		if err != nil {
			return err
		}
		why := check(said)
		if why == nil {
			*answer = said
			return nil
		}
		if err := asker.Wrong(why); err != nil {
			return err
		}
	}
}

// none is the answer to what need not be.
const none = "none"

// orNone asks whoever may have none of it, which is an empty answer.
type orNone struct{ Asker }

func (o orNone) Ask(ctx context.Context, question, proposed string) (string, error) {
	said, err := o.Asker.Ask(ctx, question, proposed)
	if said == none {
		said = ""
	}
	return said, err
}

// askOrNone is ask for what need not be.
func askOrNone(ctx context.Context, asker Asker, answer *string, question string, check func(string) error) error {
	return ask(ctx, orNone{asker}, answer, question, none, func(said string) error {
		if said == "" {
			return nil
		}
		return check(said)
	})
}

// forkgate shows and runs a command of the operator's.
func (h *Host) forkgate(ctx context.Context, args ...string) error {
	return h.show(ctx, "forkgate", append([]string{h.Self}, args...))
}

// system shows and runs a command of the host's.
func (h *Host) system(ctx context.Context, argv ...string) error { return h.show(ctx, argv[0], argv) }

func (h *Host) show(ctx context.Context, name string, argv []string) error {
	words := []string{"+", name}
	for _, word := range argv[1:] {
		words = append(words, quoted(word))
	}
	fmt.Fprintln(h.Out, strings.Join(words, " "))
	if err := h.Run(ctx, argv...); err != nil {
		return fmt.Errorf("%s: %w: it says why above", strings.Join(words[1:], " "), err)
	}
	return nil
}

// quoted is a word as a shell takes it.
func quoted(word string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:=@+,%", r)
	}
	if word != "" && strings.TrimFunc(word, plain) == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
