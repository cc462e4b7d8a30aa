package warden

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/aymanbagabas/go-udiff"
	"golang.org/x/sync/errgroup"

	"forkgate/fork"
	"forkgate/fork/changes"
	"forkgate/gate"
	"forkgate/nsjail/wire"
)

// What is read at most to show how texts differ: files, bytes of their paths, and bytes of what is shown.
const (
	maxPatched    = 1000
	maxReadPaths  = 128 << 10
	maxPatchBytes = 4 << 20
	patchContext  = 3 // lines around what differs
)

// readStep is the name of the rule that reads: no rule of a policy has it.
const readStep = "read:"

// patch is a change, with how what is in the file differs as a unified diff, or why that is not there.
type patch struct {
	changes.Change        // its paths escaped as gate.Exact does
	Text           string `json:"text,omitempty"`
	Escaped        bool   `json:"escaped,omitempty"` // the text has escapes for what is not printable, and is no patch to apply
	Not            string `json:"not,omitempty"`
}

// mayRead has policy permit that the caller runs commands in both, as who does could read them, and refuses those of which what nobody is to have
// has not been taken out yet.
func (w *word) mayRead(pair [2]fork.Tree) error {
	for _, t := range pair {
		ask, asking := w.ask, w.asking
		ask.Op, ask.Ref = gate.OpExec, gate.Ref{Repo: t.Repo, Tag: t.Tag}
		// Not the word that asks: rules that permit some commands alone permit no reading.
		asking.Op, asking.Command, asking.Target = gate.OpExec, "", forks{w.trees, w.pods.visits}.target(t)
		if err := w.gate.Permitted(ask, asking); err != nil {
			return err
		}
		if w.gate.Judge.Decide(asking).Record == gate.Required {
			return &gate.Refusal{Reason: "what somebody reads in " + t.Ref() + " is to be recorded, and this is not", Hint: "enter it"}
		}
		if !t.Grand && !t.Settled {
			return &gate.Refusal{Reason: t.Ref() + " is not settled, and what is in it is not shown before", Hint: "who enters it settles it, and so does forkgate settle " + t.Ref()}
		}
	}
	return nil
}

// patch says how what is in files differs. It makes copies of both trees, so that what is read is what was compared.
func (w *word) patch(ctx context.Context, pair [2]fork.Tree, within string, d *difference) (err error) {
	if err := w.mayRead(pair); err != nil {
		return err
	}
	var copied [2]fork.Tree
	for i, t := range pair {
		var gone func() error
		if copied[i], gone, err = w.copyOf(ctx, t); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, gone()) }()
		if now, ok := w.trees.Get(t.GUID); !ok || now.Ref() != t.Ref() { // policy has spoken of it by its name
			return renamed(t.Ref())
		}
	}
	all, err := w.differing(ctx, copied, within, d)
	if err != nil {
		return err
	}
	d.Patches, d.Unread, err = w.patches(ctx, copied, all)
	return err
}

// patches are changes with how what is in files differs between two copies, the first of them, and how many are behind those.
func (w *word) patches(ctx context.Context, copied [2]fork.Tree, all []changes.Change) (shown []patch, more int, err error) {
	some := firstPaths(all)
	if len(some) == 0 {
		return nil, len(all), nil
	}
	was, is, err := w.pods.readBoth(ctx, copied, some)
	if err != nil {
		return nil, 0, err
	}
	bytes := 0
	for i, c := range some {
		p := patchOf(c, was[i], is[i])
		if bytes += len(p.Text); p.Not == wire.Enough || bytes > maxPatchBytes {
			return shown, len(all) - i, nil
		}
		shown = append(shown, p)
	}
	return shown, len(all) - len(some), nil
}

// readBoth reads what changes are about, where it was in the first copy and is in the second.
func (p *pods) readBoth(ctx context.Context, copied [2]fork.Tree, all []changes.Change) (was, is []wire.Text, err error) {
	var before, after [][]byte
	for _, c := range all {
		before, after = append(before, []byte(cmp.Or(c.From, c.Path))), append(after, []byte(c.Path))
	}
	group, reading := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		was, err = p.read(reading, copied[0], before)
		return err
	})
	group.Go(func() (err error) {
		is, err = p.read(reading, copied[1], after)
		return err
	})
	err = group.Wait()
	return was, is, err
}

// firstPaths are as many changes as can be asked for at once.
func firstPaths(all []changes.Change) []changes.Change {
	bytes := 0
	for i, c := range all {
		if bytes += len(c.Path) + len(c.From); i == maxPatched || bytes > maxReadPaths {
			return all[:i]
		}
	}
	return all
}

// read has files of a copy read inside its pod.
func (p *pods) read(ctx context.Context, copied fork.Tree, names [][]byte) ([]wire.Text, error) {
	done, err := p.examine(ctx, copied, []wire.Scrub{{Name: readStep, Read: names}})
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(done.Steps, func(s wire.ScrubStep) bool { return s.Name == readStep && len(s.Texts) == len(names) })
	if done.Error != "" || i < 0 {
		return nil, fmt.Errorf("files of %s were not read: %s", copied.Ref(), done.Error)
	}
	return done.Steps[i].Texts, nil
}

// patchOf says how a file differs.
func patchOf(c changes.Change, was, is wire.Text) patch {
	if c.How == changes.Added {
		was = wire.Text{Is: wire.None}
	}
	if c.How == changes.Removed {
		is = wire.Text{Is: wire.None}
	}
	p := patch{Change: c}
	p.Path, p.From = gate.Exact(c.Path), gate.Exact(c.From)
	for _, why := range []string{wire.Enough, wire.Long, wire.Binary} {
		if was.Is == why || is.Is == why {
			p.Not = why
			return p
		}
	}
	switch {
	case was.Is == wire.None && is.Is == wire.None:
		p.Not = "no file"
	case string(was.Text) == string(is.Text) && (was.Is == wire.None || is.Is == wire.None):
		p.Not = "empty"
	case string(was.Text) == string(is.Text):
		p.Not = "same text"
	default:
		p.compare(was, is)
	}
	return p
}

func (p *patch) compare(was, is wire.Text) {
	before, after := "a/"+cmp.Or(p.From, p.Path), "b/"+p.Path
	if was.Is == wire.None {
		before = "/dev/null"
	}
	if is.Is == wire.None {
		after = "/dev/null"
	}
	old := string(was.Text)
	text, err := udiff.ToUnified(header(before), header(after), old, udiff.Lines(old, string(is.Text)), patchContext)
	if err != nil { // its own edits do not fit
		p.Not = err.Error()
		return
	}
	p.Text = escaped(text)
	p.Escaped = p.Text != text
}

// header is a name as patch(1) reads one with spaces: up to a tab.
func header(path string) string {
	if strings.Contains(path, " ") {
		return path + "\t"
	}
	return path
}

// escaped keeps lines and tabs.
func escaped(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		parts := strings.Split(line, "\t")
		for j := range parts {
			parts[j] = gate.Printable(parts[j])
		}
		lines[i] = strings.Join(parts, "\t")
	}
	return strings.Join(lines, "\n")
}

// unshown says why a file has no text to show.
var unshown = map[string]string{wire.Long: "too long to be shown", wire.Binary: "no text", "empty": "empty"}

// print prints the text, or a line as without --patch: of what is no file, has moved, or has another mode or owner, and no other text.
func (p patch) print(out io.Writer) {
	switch {
	case p.Text == "":
		line := letters[p.How] + " " + inLine(p.Change)
		if why := unshown[p.Not]; why != "" {
			line += " (" + why + ")"
		}
		fmt.Fprintln(out, line)
		return
	case p.Escaped:
		fmt.Fprintf(out, "what is not printable in %s is shown as escapes:\n", p.Path)
	}
	if p.From != "" {
		fmt.Fprintf(out, "diff --git a/%s b/%s\nrename from %[1]s\nrename to %[2]s\n", p.From, p.Path)
	}
	io.WriteString(out, p.Text)
}
