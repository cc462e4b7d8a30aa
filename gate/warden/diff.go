package warden

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"forkgate/fork"
	"forkgate/fork/changes"
	"forkgate/gate"
)

// What is told at most: changes one by one, bytes of their paths, and directories.
const (
	maxChanges     = 10_000
	maxChangeBytes = 1 << 20
	maxDirectories = 500
)

// difference is what diff says. Paths are escaped as gate.Exact does.
type difference struct {
	Before string         `json:"before"`
	After  string         `json:"after"`
	Within string         `json:"within,omitempty"` // the path that was asked about; empty: all
	Counts map[string]int `json:"counts"`           // by how: added, changed, moved, removed
	// Changes are the first of them, by path; with --stat there are none.
	Changes []changes.Change `json:"changes,omitempty"`
	More    int              `json:"more,omitempty"` // that are not among these
	Below   []countedDir     `json:"directories,omitempty"`
	Others  int              `json:"more_directories,omitempty"` // that are not among these
	// Patches are how texts differ, with --patch in place of Changes, of the first of them.
	Patches []patch `json:"patches,omitempty"`
	Unread  int     `json:"more_patches,omitempty"` // changes that are behind these
}

// countedDir is a directory at the top, and how many changes there are in it.
type countedDir struct {
	Path   string         `json:"path"` // "." for files that lie at the top
	Counts map[string]int `json:"counts"`
}

// diff says what has become of one tree in another. Policy is asked about both.
func diff(ctx context.Context, w *word) (page, error) {
	if w.flags["stat"] && w.flags["patch"] {
		return page{}, &gate.Refusal{Reason: "diff takes --stat or --patch, and not both", Hint: "ssh gate@host help diff"}
	}
	within, err := w.within()
	if err != nil {
		return page{}, err
	}
	pair, err := w.compared(ctx)
	if err != nil {
		return page{}, err
	}
	d := difference{Before: pair[0].Ref(), After: pair[1].Ref(), Within: gate.Exact(within), Counts: map[string]int{}}
	if w.flags["patch"] {
		err = w.patch(ctx, pair, within, &d)
	} else {
		err = w.list(ctx, pair, within, &d)
	}
	return page{data: d, text: d.print}, err
}

// list says which files differ.
func (w *word) list(ctx context.Context, pair [2]fork.Tree, within string, d *difference) error {
	all, err := w.differing(ctx, pair, within, d)
	if err != nil {
		return err
	}
	if w.flags["stat"] {
		d.count(all)
	} else {
		d.list(all)
	}
	return nil
}

// differing lists what differs there, and counts it.
func (w *word) differing(ctx context.Context, pair [2]fork.Tree, within string, d *difference) ([]changes.Change, error) {
	all, err := w.trees.Compare(ctx, pair[0], pair[1])
	if errors.Is(err, changes.ErrMany) {
		return nil, &gate.Refusal{Reason: fmt.Sprintf("more differs between %s and %s than can be told", d.Before, d.After), Hint: "look inside, with find -newer"}
	}
	if err != nil {
		return nil, explained(err)
	}
	all = slices.DeleteFunc(slices.Clone(all), func(c changes.Change) bool { return !below(within, c.Path) && !below(within, c.From) })
	for _, c := range all {
		d.Counts[c.How]++
	}
	return all, nil
}

// within is the path that is asked about, the last of the words; empty for all. Refs have no slash.
func (w *word) within() (string, error) {
	last := len(w.args) - 1
	if !strings.Contains(w.args[last], "/") {
		if last == 2 {
			return "", &gate.Refusal{Reason: fmt.Sprintf("%.40q is no path", w.args[last]), Hint: "what is compared are two at most; a path in them has a slash: ./" + gate.Printable(w.args[last])}
		}
		return "", nil
	}
	if last == 0 {
		return "", &gate.Refusal{Reason: "diff takes a repository or fork before the path", Hint: "ssh gate@host diff REF [REF] ./PATH"}
	}
	within := strings.TrimPrefix(path.Clean("/"+w.args[last]), "/")
	w.args = w.args[:last]
	return within, nil
}

// below reports whether a path is another, or is in it.
func below(within, at string) bool {
	return at != "" && (within == "" || at == within || strings.HasPrefix(at, within+"/"))
}

func (d *difference) count(all []changes.Change) {
	d.Below = byDirectory(all)
	d.Others = max(0, len(d.Below)-maxDirectories)
	d.Below = d.Below[:len(d.Below)-d.Others]
}

func (d *difference) list(all []changes.Change) {
	bytes := 0
	for i, c := range all {
		c.Path, c.From = gate.Exact(c.Path), gate.Exact(c.From)
		if bytes += len(c.Path) + len(c.From); i == maxChanges || bytes > maxChangeBytes {
			break
		}
		d.Changes = append(d.Changes, c)
	}
	d.More = len(all) - len(d.Changes)
}

// compared are the two: a fork and what it was made of, or those that are named.
func (w *word) compared(ctx context.Context) (pair [2]fork.Tree, err error) {
	first, err := w.tree(ctx, w.args[0])
	if err != nil {
		return pair, err
	}
	if len(w.args) == 2 {
		second, err := w.tree(ctx, w.args[1])
		return [2]fork.Tree{first, second}, err
	}
	if first.Grand {
		return pair, &gate.Refusal{Reason: first.Ref() + " is no fork of anything", Hint: "ssh gate@host diff REF REF"}
	}
	parent, ok := w.trees.Get(first.Parent)
	if !ok {
		return pair, &gate.Refusal{Reason: "what " + first.Ref() + " was made of is not there any more", Hint: "ssh gate@host diff REF REF"}
	}
	parent, err = w.tree(ctx, parent.Ref())
	return [2]fork.Tree{parent, first}, err
}

func byDirectory(all []changes.Change) (dirs []countedDir) {
	counts := map[string]map[string]int{}
	for _, c := range all {
		top, _, within := strings.Cut(c.Path, "/")
		if !within && c.Kind != changes.Directory {
			top = "."
		}
		if counts[top] == nil {
			counts[top] = map[string]int{}
		}
		counts[top][c.How]++
	}
	for _, top := range slices.Sorted(maps.Keys(counts)) {
		dirs = append(dirs, countedDir{gate.Exact(top), counts[top]})
	}
	return dirs
}

// letters are those of git status.
var letters = map[string]string{changes.Added: "A", changes.Changed: "M", changes.Moved: "R", changes.Removed: "D"}

func (d difference) print(out io.Writer) {
	for _, c := range d.Changes {
		fmt.Fprintln(out, letters[c.How], inLine(c))
	}
	if d.More > 0 {
		fmt.Fprintf(out, "and %d more: diff --stat counts all\n", d.More)
	}
	for _, p := range d.Patches {
		p.print(out)
	}
	if d.Unread > 0 {
		fmt.Fprintf(out, "and %d more, which are not shown: diff ./PATH shows what is there\n", d.Unread)
	}
	rows := [][]string{}
	for _, dir := range d.Below {
		rows = append(rows, []string{dir.Path, inWords(dir.Counts)})
	}
	columns(out, rows...)
	if d.Others > 0 {
		fmt.Fprintf(out, "and %s more\n", gate.Count(d.Others, "directory"))
	}
	in := ""
	if d.Within != "" {
		in = ", in " + d.Within
	}
	fmt.Fprintf(out, "%s to %s%s: %s\n", d.Before, d.After, in, inWords(d.Counts))
}

// inLine is a change in a line, behind its letter.
func inLine(c changes.Change) string {
	path := c.Path
	if c.Kind == changes.Directory {
		path += "/"
	}
	switch {
	case c.From != "" && c.Also:
		return c.From + " -> " + path + " (changed)"
	case c.From != "":
		return c.From + " -> " + path
	}
	return path
}

func inWords(counts map[string]int) string {
	var parts []string
	for _, how := range []string{changes.Added, changes.Changed, changes.Moved, changes.Removed} {
		if counts[how] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[how], how))
		}
	}
	if len(parts) == 0 {
		return "no difference"
	}
	return strings.Join(parts, ", ")
}
