package warden

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
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
	Counts map[string]int `json:"counts"` // by how: added, changed, moved, removed
	// Changes are the first of them, by path; with --stat there are none.
	Changes []changes.Change `json:"changes,omitempty"`
	More    int              `json:"more,omitempty"` // that are not among these
	Below   []countedDir     `json:"directories,omitempty"`
	Others  int              `json:"more_directories,omitempty"` // that are not among these
}

// countedDir is a directory at the top, and how many changes there are in it.
type countedDir struct {
	Path   string         `json:"path"` // "." for files that lie at the top
	Counts map[string]int `json:"counts"`
}

// diff says what has become of one tree in another. Policy is asked about both.
func diff(ctx context.Context, w *word) (page, error) {
	before, after, err := w.compared(ctx)
	if err != nil {
		return page{}, err
	}
	all, err := w.trees.Compare(ctx, before, after)
	if errors.Is(err, changes.ErrMany) {
		return page{}, &gate.Refusal{Reason: fmt.Sprintf("more differs between %s and %s than can be told", before.Ref(), after.Ref()), Hint: "look inside, with find -newer"}
	}
	if err != nil {
		return page{}, explained(err)
	}
	d := difference{Before: before.Ref(), After: after.Ref(), Counts: map[string]int{}}
	for _, c := range all {
		d.Counts[c.How]++
	}
	if w.flags["stat"] {
		d.Below = byDirectory(all)
		d.Others = max(0, len(d.Below)-maxDirectories)
		d.Below = d.Below[:len(d.Below)-d.Others]
		return page{data: d, text: d.summary}, nil
	}
	bytes := 0
	for i, c := range all {
		c.Path, c.From = gate.Exact(c.Path), gate.Exact(c.From)
		if bytes += len(c.Path) + len(c.From); i == maxChanges || bytes > maxChangeBytes {
			break
		}
		d.Changes = append(d.Changes, c)
	}
	d.More = len(all) - len(d.Changes)
	return page{data: d, text: d.print}, nil
}

// compared are the two: a fork and what it was made of, or those that are named.
func (w *word) compared(ctx context.Context) (before, after fork.Tree, err error) {
	first, err := w.tree(ctx, w.args[0])
	if err != nil {
		return before, after, err
	}
	if len(w.args) == 2 {
		second, err := w.tree(ctx, w.args[1])
		return first, second, err
	}
	if first.Grand {
		return before, after, &gate.Refusal{Reason: first.Ref() + " is no fork of anything", Hint: "ssh gate@host diff REF REF"}
	}
	parent, ok := w.trees.Get(first.Parent)
	if !ok {
		return before, after, &gate.Refusal{Reason: "what " + first.Ref() + " was made of is not there any more", Hint: "ssh gate@host diff REF REF"}
	}
	parent, err = w.tree(ctx, parent.Ref())
	return parent, first, err
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
		path := c.Path
		if c.Kind == changes.Directory {
			path += "/"
		}
		switch {
		case c.From != "" && c.Also:
			path = c.From + " -> " + path + " (changed)"
		case c.From != "":
			path = c.From + " -> " + path
		}
		fmt.Fprintln(out, letters[c.How], path)
	}
	if d.More > 0 {
		fmt.Fprintf(out, "and %d more: diff --stat counts all\n", d.More)
	}
	d.summary(out)
}

func (d difference) summary(out io.Writer) {
	rows := [][]string{}
	for _, dir := range d.Below {
		rows = append(rows, []string{dir.Path, inWords(dir.Counts)})
	}
	columns(out, rows...)
	if d.Others > 0 {
		fmt.Fprintf(out, "and %s more\n", gate.Count(d.Others, "directory"))
	}
	fmt.Fprintf(out, "%s to %s: %s\n", d.Before, d.After, inWords(d.Counts))
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
