package policy

import (
	"net/netip"
	"slices"

	"forkgate/gate"
)

// condition is a checked `when`. It is compiled for deciding, and guessed at for finding out, at load, where it can match.
type condition interface {
	// compile makes the condition a function. missing is its answer where the request lacks the fact that it is about, so
	// that a permit then does not match and a forbid does.
	compile(missing bool) func(*gate.Request) bool
	guess(world) answer
}

type (
	constant bool
	not      struct{ of condition }
	and      struct{ a, b condition }
	or       struct{ a, b condition }

	// target.grand, contains(caller.groups, "backend")
	flagIs struct{ attr *attribute }
	// op == "shell", contains(["shell", "exec"], op)
	textIn struct {
		attr  *attribute
		words []string
	}
	// target.owner == caller.principal
	sameText struct{ a, b *attribute }
	// glob(target.repo, "demo-*"), startswith(target.repo, "demo-")
	textFits struct {
		attr *attribute
		pattern
	}
	// caller.class >= 2
	numberIs struct {
		attr *attribute
		is   func(int) bool
	}
	// cidr(source.ip, "10.0.0.0/8")
	within struct {
		attr     *attribute
		networks []netip.Prefix
	}
)

func (c constant) compile(bool) func(*gate.Request) bool {
	return func(*gate.Request) bool { return bool(c) }
}

func (c not) compile(missing bool) func(*gate.Request) bool {
	of := c.of.compile(!missing)
	return func(r *gate.Request) bool { return !of(r) }
}

func (c and) compile(missing bool) func(*gate.Request) bool {
	a, b := c.a.compile(missing), c.b.compile(missing)
	return func(r *gate.Request) bool { return a(r) && b(r) }
}

func (c or) compile(missing bool) func(*gate.Request) bool {
	a, b := c.a.compile(missing), c.b.compile(missing)
	return func(r *gate.Request) bool { return a(r) || b(r) }
}

func (c flagIs) compile(bool) func(*gate.Request) bool { return c.attr.flag }

func (c textIn) compile(bool) func(*gate.Request) bool {
	text := c.attr.text
	if len(c.words) == 1 {
		word := c.words[0]
		return func(r *gate.Request) bool { return text(r) == word }
	}
	words := c.words
	return func(r *gate.Request) bool { return slices.Contains(words, text(r)) }
}

func (c sameText) compile(bool) func(*gate.Request) bool {
	a, b := c.a.text, c.b.text
	return func(r *gate.Request) bool { return a(r) == b(r) }
}

func (c textFits) compile(bool) func(*gate.Request) bool {
	text, fits := c.attr.text, c.fits
	return func(r *gate.Request) bool { return fits(text(r)) }
}

func (c numberIs) compile(bool) func(*gate.Request) bool {
	number, is := c.attr.number, c.is
	return func(r *gate.Request) bool { return is(number(r)) }
}

func (c within) compile(missing bool) func(*gate.Request) bool {
	addr := c.attr.addr
	return func(r *gate.Request) bool {
		from := addr(r)
		if !from.IsValid() {
			return missing
		}
		return c.has(from)
	}
}

func (c within) has(from netip.Addr) bool {
	return slices.ContainsFunc(c.networks, func(n netip.Prefix) bool { return n.Contains(from) })
}
