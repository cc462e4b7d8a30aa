package changes

import (
	"errors"
	"fmt"
	"strings"
)

// node is a file or a directory of which the stream has spoken, or one on the way to such.
type node struct {
	was      string // its path in the tree before; of what is new empty
	new      bool
	kind     Kind
	changed  bool // what is in it, or its mode, owner or attributes
	names    int  // that it has now
	children map[string]*node
	gone     map[string]bool // names of children that were here and are not
}

// put has something lie in a directory, which has one name alone: what lay in itself would never end.
func (n *node) put(name string, child *node) error {
	if n.names > 1 {
		return fmt.Errorf("%w: a directory of two names", ErrStream)
	}
	if n.children == nil {
		n.children = map[string]*node{}
	}
	n.children[name] = child
	if child.names++; child.names > 1 && (child.kind == Directory || len(child.children) > 0) {
		return fmt.Errorf("%w: a directory of two names", ErrStream)
	}
	return nil
}

func (n *node) take(name string) {
	if child := n.children[name]; child != nil {
		child.names--
		delete(n.children, name)
	}
	if n.gone == nil {
		n.gone = map[string]bool{}
	}
	n.gone[name] = true
}

// tree is what is known so far.
type tree struct {
	root  *node
	nodes []*node // all but the root, in the order in which they were spoken of
	most  int
	bytes int // of paths, as far as they are kept
}

// maxPaths bounds the memory that paths take: one of them is 4 KiB at most, and whoever works in a tree chooses it.
const maxPaths = 64 << 20

// keeps counts what is kept.
func (t *tree) keeps(path string) error {
	if t.bytes += len(path); t.bytes > maxPaths {
		return ErrMany
	}
	return nil
}

// child finds a name in a directory. What the stream has not spoken of is there as it was.
func (t *tree) child(n *node, name string) (*node, error) {
	if c := n.children[name]; c != nil {
		return c, nil
	}
	if n.new || n.gone[name] || name == "" || name == "." || name == ".." {
		return nil, fmt.Errorf("%w: there is no %q", ErrStream, name)
	}
	was := name
	if n.was != "" {
		was = n.was + "/" + name
	}
	c := &node{was: was}
	return c, t.add(n, name, c)
}

func (t *tree) add(parent *node, name string, c *node) error {
	if len(t.nodes) >= t.most {
		return ErrMany
	}
	t.nodes = append(t.nodes, c)
	if err := errors.Join(t.keeps(c.was), t.keeps(name)); err != nil {
		return ErrMany
	}
	return parent.put(name, c)
}

// walk finds what a path leads to.
func (t *tree) walk(path string) (n *node, err error) {
	n = t.root
	for path != "" {
		var name string
		name, path, _ = strings.Cut(path, "/")
		if n, err = t.child(n, name); err != nil {
			return nil, err
		}
	}
	return n, nil
}

// place finds the directory that a path lies in, and its last name.
func (t *tree) place(path string) (dir *node, name string, err error) {
	i := strings.LastIndexByte(path, '/')
	if name = path[i+1:]; name == "" {
		return nil, "", fmt.Errorf("%w: a path without a name", ErrStream)
	}
	dir, err = t.walk(path[:max(i, 0)])
	return dir, name, err
}

// make makes something new.
func (t *tree) make(path string, kind Kind) error {
	dir, name, err := t.place(path)
	if err != nil {
		return err
	}
	dir.take(name) // one that the stream has not taken away first
	return t.add(dir, name, &node{new: true, kind: kind})
}

// move gives what is at a path another one.
func (t *tree) move(from, to string) error {
	dir, name, err := t.place(from)
	if err != nil {
		return err
	}
	moved, err := t.child(dir, name)
	if err != nil {
		return err
	}
	dir.take(name)
	into, as, err := t.place(to)
	if err != nil {
		return err
	}
	into.take(as)
	return into.put(as, moved)
}

// link gives what is at a path one more name.
func (t *tree) link(path, to string) error {
	linked, err := t.walk(to)
	if err != nil {
		return err
	}
	dir, name, err := t.place(path)
	if err != nil {
		return err
	}
	if linked.kind == Directory || len(linked.children) > 0 {
		return fmt.Errorf("%w: another name for a directory", ErrStream)
	}
	dir.take(name)
	return dir.put(name, linked)
}

// remove takes a name away.
func (t *tree) remove(path string, directory bool) error {
	dir, name, err := t.place(path)
	if err != nil {
		return err
	}
	removed, err := t.child(dir, name)
	if err != nil {
		return err
	}
	if directory {
		removed.kind = Directory
	}
	dir.take(name)
	return nil
}

// touch notes that something of what is at a path is another.
func (t *tree) touch(path string, kind Kind) error {
	n, err := t.walk(path)
	if err == nil {
		n.changed = true
		if n.kind == "" {
			n.kind = kind
		}
	}
	return err
}
