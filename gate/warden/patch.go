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

// patch is how what is in a file differs, as a unified diff in which what is not printable is escaped, or why that is not shown.
type patch struct {
	Path string `json:"path"`
	From string `json:"from,omitempty"`
	Text string `json:"text,omitempty"`
	Not  string `json:"not,omitempty"`
}

// mayRead has policy permit that the caller runs commands in both, as who does could read them, and refuses those of which what nobody is to have
// has not been taken out yet.
func (w *word) mayRead(pair [2]fork.Tree) error {
	for _, t := range pair {
		ask, asking := w.ask, w.asking
		ask.Op, ask.Ref = gate.OpExec, gate.Ref{Repo: t.Repo, Tag: t.Tag}
		asking.Op, asking.Target = gate.OpExec, forks{w.trees, w.pods.visits}.target(t)
		if err := w.gate.Permitted(ask, asking); err != nil {
			return err
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
	}
	all, err := w.differing(ctx, copied, within, d)
	if err != nil {
		return err
	}
	d.Patches, d.Unread, err = w.patches(ctx, copied, all)
	return err
}

// patches says how what is in files differs between two copies, of the first of them, and how many are behind those.
func (w *word) patches(ctx context.Context, copied [2]fork.Tree, all []changes.Change) (shown []patch, more int, err error) {
	all = slices.DeleteFunc(slices.Clone(all), func(c changes.Change) bool {
		return c.Kind == changes.Directory || c.Kind == changes.Link || c.Kind == changes.Special
	})
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
		if p.Text == "" && p.Not == "" {
			continue
		}
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

// patchOf is empty where there is no difference to show.
func patchOf(c changes.Change, was, is wire.Text) patch {
	p := patch{Path: gate.Exact(c.Path), From: gate.Exact(c.From)}
	for _, why := range []string{wire.Enough, wire.Long, wire.Binary} {
		if was.Is == why || is.Is == why {
			p.Not = why
			return p
		}
	}
	before, after := "a/"+cmp.Or(p.From, p.Path), "b/"+p.Path
	if was.Is == wire.None {
		before = "/dev/null"
	}
	if is.Is == wire.None {
		after = "/dev/null"
	}
	old := string(was.Text)
	text, err := udiff.ToUnified(before, after, old, udiff.Lines(old, string(is.Text)), patchContext)
	if err != nil { // its own edits do not fit
		p.Not = err.Error()
		return p
	}
	p.Text = escaped(text)
	return p
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

// unshown says why the text of a file is not there.
var unshown = map[string]string{wire.Long: "is too long to be shown", wire.Binary: "is no text"}

func (p patch) print(out io.Writer) {
	if p.Not != "" {
		fmt.Fprintf(out, "%s %s\n", p.Path, cmp.Or(unshown[p.Not], p.Not))
		return
	}
	io.WriteString(out, p.Text)
}
