package changes

import (
	"cmp"
	"errors"
	"io"
	"maps"
	"slices"
)

// ErrMany says that more has changed than is told.
var ErrMany = errors.New("too many changes")

// Kind is what something is; empty where the stream does not say, as of what has moved alone.
type Kind string

// There are these.
const (
	File      Kind = "file"
	Directory Kind = "directory"
	Link      Kind = "link"
	Special   Kind = "special" // a device, a pipe, a socket
)

// How something has changed.
const (
	Added   = "added"
	Changed = "changed" // what is in it, or its mode, owner or attributes
	Moved   = "moved"
	Removed = "removed"
)

// Change is one difference. Paths are from the top of the trees, and any bytes but 0.
type Change struct {
	How  string `json:"how"`
	Kind Kind   `json:"kind,omitempty"`
	Path string `json:"path"`           // where it is; of what is removed, where it was
	From string `json:"from,omitempty"` // of what has moved
	Also bool   `json:"also,omitempty"` // what has moved has changed as well
}

// Read reads a stream to its end, and lists what it comes to, by path. At most so many things that the stream speaks of are told apart; beyond that
// it is ErrMany.
func Read(r io.Reader, most int) ([]Change, error) {
	s, err := newStream(r)
	if err != nil {
		return nil, err
	}
	t := &tree{root: &node{kind: Directory}, most: most}
	for {
		d, err := s.next()
		if err != nil {
			return nil, err
		}
		if d.number == end {
			return t.changes()
		}
		if err := t.do(d); err != nil {
			return nil, err
		}
	}
}

func (t *tree) do(d deed) error {
	switch d.number {
	case mkfile:
		return t.make(d.path, File)
	case mkdir:
		return t.make(d.path, Directory)
	case symlink:
		return t.make(d.path, Link)
	case mknod, mkfifo, mksock:
		return t.make(d.path, Special)
	case rename:
		return t.move(d.path, d.other)
	case link:
		return t.link(d.path, d.other)
	case unlink:
		return t.remove(d.path, false)
	case rmdir:
		return t.remove(d.path, true)
	case write, clone, truncate, updateExtent:
		return t.touch(d.path, File)
	case chmod, chown, setXattr, removeXattr:
		return t.touch(d.path, "")
	}
	return nil // of which tree it is, and times
}

// name is one that something has now.
type name struct {
	of      *node
	path    string
	implied string // where that was, had nobody moved anything but directories above it; empty in what is new
}

// names lists all that are below a directory, behind those that there are.
func (t *tree) names(all []name, dir *node, at string) ([]name, error) {
	for as, n := range dir.children {
		one := name{of: n, path: as, implied: as}
		if at != "" {
			one.path = at + "/" + as
		}
		if dir.was != "" {
			one.implied = dir.was + "/" + as
		}
		if dir.new {
			one.implied = ""
		}
		err := errors.Join(t.keeps(one.path), t.keeps(one.implied))
		if err == nil {
			all, err = t.names(append(all, one), n, one.path)
		}
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// changes is what it has come to.
func (t *tree) changes() ([]Change, error) {
	names, err := t.names(nil, t.root, "")
	if err != nil {
		return nil, ErrMany
	}
	slices.SortFunc(names, func(a, b name) int { return cmp.Compare(a.path, b.path) })
	all, seen := map[string]Change{}, map[*node]bool{}
	for _, one := range names { // where a file has several names, the one that it had stays
		if !one.of.new && one.implied == one.of.was {
			seen[one.of] = true
			if one.of.changed {
				all[one.path] = Change{How: Changed, Kind: one.of.kind, Path: one.path}
			}
		}
	}
	for _, one := range names {
		switch n := one.of; {
		case !n.new && one.implied == n.was:
		case n.new, seen[n]:
			all[one.path] = Change{How: Added, Kind: n.kind, Path: one.path}
		default:
			seen[n] = true
			all[one.path] = Change{How: Moved, Kind: n.kind, Path: one.path, From: n.was, Also: n.changed}
		}
	}
	for _, n := range t.nodes {
		if n.names > 0 || n.new {
			continue
		}
		gone := Change{How: Removed, Kind: n.kind, Path: n.was}
		if in, there := all[n.was]; there && in.How == Added { // another one lies in its place
			gone = Change{How: Changed, Kind: in.Kind, Path: n.was}
		} else if there {
			continue // what has moved there says so
		}
		all[n.was] = gone
	}
	return slices.SortedFunc(maps.Values(all), func(a, b Change) int { return cmp.Compare(a.Path, b.Path) }), nil
}
