package policy

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// checker turns one `when` into a condition, complaining of what has no meaning. A part that is complained of counts as true,
// so that the rest is checked as well.
type checker struct {
	l        *loader
	schema   schema
	mentions mentions
	terms    int
}

// condition checks an expression that is true or false.
func (c *checker) condition(e hclsyntax.Expression) condition {
	switch e := e.(type) {
	case *hclsyntax.ParenthesesExpr:
		return c.condition(e.Expression)
	case *hclsyntax.LiteralValueExpr:
		if value, ok := literalBool(e); ok {
			return constant(value)
		}
	case *hclsyntax.ScopeTraversalExpr:
		return c.flag(e)
	case *hclsyntax.UnaryOpExpr:
		if e.Op == hclsyntax.OpLogicalNot {
			return not{c.condition(e.Val)}
		}
	case *hclsyntax.BinaryOpExpr:
		return c.binary(e)
	case *hclsyntax.FunctionCallExpr:
		return c.call(e)
	}
	return c.no(e.Range(), "Not a condition", "A condition is made of comparisons, && || ! and the functions %s.", strings.Join(functionNames(), ", "))
}

// no complains, and stands for what was complained of.
func (c *checker) no(at hcl.Range, summary, detail string, args ...any) condition {
	c.l.complain(at, summary, detail, args...)
	return constant(true)
}

func (c *checker) flag(e *hclsyntax.ScopeTraversalExpr) condition {
	attr := c.attribute(e)
	if attr == nil {
		return constant(true)
	}
	if attr.flag == nil {
		return c.no(e.Range(), "Wrong type", "%s is %s, not true or false: compare it with something.", attr.name, attr.typeName())
	}
	c.mentions.add(attr)
	return flagIs{attr}
}

func (c *checker) binary(e *hclsyntax.BinaryOpExpr) condition {
	if c.terms++; c.terms > maxTerms {
		if c.terms == maxTerms+1 {
			c.no(e.Range(), "Condition too long", "A condition chains at most %d terms: use contains([...], ...).", maxTerms)
		}
		return constant(true)
	}
	switch e.Op {
	case hclsyntax.OpLogicalAnd:
		return and{c.condition(e.LHS), c.condition(e.RHS)}
	case hclsyntax.OpLogicalOr:
		return or{c.condition(e.LHS), c.condition(e.RHS)}
	case hclsyntax.OpEqual:
		return c.equal(e)
	case hclsyntax.OpNotEqual:
		return not{c.equal(e)}
	case hclsyntax.OpGreaterThan, hclsyntax.OpGreaterThanOrEqual, hclsyntax.OpLessThan, hclsyntax.OpLessThanOrEqual:
		return c.number(e)
	}
	return c.no(e.Range(), "No arithmetic", "A condition compares facts, it does not compute.")
}

// equal checks ==, in either order of its sides.
func (c *checker) equal(e *hclsyntax.BinaryOpExpr) condition {
	left, right := unwrap(e.LHS), unwrap(e.RHS)
	if _, ok := left.(*hclsyntax.ScopeTraversalExpr); !ok {
		left, right = right, left
	}
	traversal, ok := left.(*hclsyntax.ScopeTraversalExpr)
	if !ok {
		return c.no(e.Range(), "Nothing to compare", "One side of a comparison is a fact of the request, such as caller.kind.")
	}
	attr := c.attribute(traversal)
	if attr == nil {
		return constant(true)
	}
	switch {
	case attr.number != nil:
		return c.number(e)
	case attr.text != nil:
		return c.equalText(attr, left, right)
	case attr.flag != nil:
		if value, ok := literalBool(right); ok {
			c.mentions.add(attr)
			return either(flagIs{attr}, value)
		}
		if word, ok := literalText(right); ok && (word == "true" || word == "false") {
			return c.no(right.Range(), "Wrong type", "%s is true or false: write it without quotes.", attr.name)
		}
	case attr.list != nil:
		return c.no(e.Range(), "Wrong type", "%s is a list: use contains(%s, ...).", attr.name, attr.name)
	case attr.addr != nil:
		return c.no(e.Range(), "Wrong type", "%s is an address: use cidr(%s, ...).", attr.name, attr.name)
	}
	return c.no(right.Range(), "Wrong type", "%s is %s, and this is not.", attr.name, attr.typeName())
}

func either(c condition, value bool) condition {
	if value {
		return c
	}
	return not{c}
}

func (c *checker) equalText(attr *attribute, left, right hclsyntax.Expression) condition {
	if traversal, ok := right.(*hclsyntax.ScopeTraversalExpr); ok {
		other := c.attribute(traversal)
		switch {
		case other == nil:
			return constant(true)
		case other.text == nil || other.words.what != attr.words.what:
			return c.no(hcl.RangeBetween(left.Range(), right.Range()), "Wrong type", "%s and %s are never the same kind of thing.", attr.name, other.name)
		case other == attr:
			return c.no(right.Range(), "Nothing to compare", "%s is always itself.", attr.name)
		}
		return sameText{attr, other}
	}
	word, ok := c.word(attr, right)
	if !ok {
		return constant(true)
	}
	c.mentions.add(attr, word)
	return textIn{attr, []string{word}}
}

// word checks a literal that a text or list attribute is compared with.
func (c *checker) word(attr *attribute, e hclsyntax.Expression) (string, bool) {
	e = unwrap(e)
	word, ok := literalText(e)
	if !ok {
		if _, several := e.(*hclsyntax.TupleConsExpr); several && attr.text != nil {
			c.no(e.Range(), "Wrong type", "%s is compared with one text; for several of them there is contains([...], %[1]s).", attr.name)
			return "", false
		}
		c.no(e.Range(), "Wrong type", "%s is compared with a quoted text.%s", attr.name, plainly(e))
		return "", false
	}
	reason := attr.words.reject(word)
	if reason != "" && attr.words.outlived(word) {
		c.l.remark(e.Range(), "Nobody of that name", "%s As it is, %s.", reason, attr.words.gone)
		return word, true
	}
	if reason != "" {
		c.no(e.Range(), "Unknown word", "%s", reason)
		return "", false
	}
	c.l.names(attr, word, e.Range())
	return word, true
}

// number checks comparisons with a number, in either order of their sides.
func (c *checker) number(e *hclsyntax.BinaryOpExpr) condition {
	left, right, is := unwrap(e.LHS), unwrap(e.RHS), comparison(e.Op)
	if _, ok := left.(*hclsyntax.ScopeTraversalExpr); !ok {
		left, right, is = right, left, flipped(is)
	}
	traversal, ok := left.(*hclsyntax.ScopeTraversalExpr)
	if !ok {
		return c.no(e.Range(), "Nothing to compare", "One side of a comparison is a fact of the request, such as caller.class.")
	}
	attr := c.attribute(traversal)
	if attr == nil {
		return constant(true)
	}
	n, ok := literalNumber(right)
	if _, quoted := literalText(right); quoted && attr.number != nil {
		return c.no(right.Range(), "Wrong type", "%s is a number: write it without quotes, %[1]s >= 2.", attr.name)
	}
	if attr.number == nil || !ok {
		return c.no(e.Range(), "Wrong type", "Only numbers have an order: caller.class >= 2.")
	}
	if n < 0 || n > attr.most {
		return c.no(right.Range(), "Can never match", "%s is 0 to %d.", attr.name, attr.most)
	}
	c.mentions.number(attr, n)
	return numberIs{attr, func(have int) bool { return is(have, n) }}
}

// comparison is what an operator does. For != it is ==, which the caller negates.
func comparison(op *hclsyntax.Operation) func(a, b int) bool {
	switch op {
	case hclsyntax.OpGreaterThan:
		return func(a, b int) bool { return a > b }
	case hclsyntax.OpGreaterThanOrEqual:
		return func(a, b int) bool { return a >= b }
	case hclsyntax.OpLessThan:
		return func(a, b int) bool { return a < b }
	case hclsyntax.OpLessThanOrEqual:
		return func(a, b int) bool { return a <= b }
	}
	return func(a, b int) bool { return a == b }
}

func flipped(is func(a, b int) bool) func(a, b int) bool {
	return func(a, b int) bool { return is(b, a) }
}

func unwrap(e hclsyntax.Expression) hclsyntax.Expression {
	for {
		p, ok := e.(*hclsyntax.ParenthesesExpr)
		if !ok {
			return e
		}
		e = p.Expression
	}
}
