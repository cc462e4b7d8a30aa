package policy

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// function is what a condition can call. All take two arguments.
type function struct {
	name    string
	shape   string
	meaning string
	check   func(c *checker, a, b hclsyntax.Expression) condition
}

func functions() []function {
	return []function{
		{"contains", `contains(["shell", "exec"], op)`, "the fact is one of the texts", (*checker).contains},
		{"contains", `contains(caller.groups, "backend")`, "the list has the text", (*checker).contains},
		{"glob", `glob(target.repo, "demo-*")`, "the text fits: * stands for any characters, ? for one", (*checker).glob},
		{"startswith", `startswith(target.tag, "ci-")`, "the text begins so", (*checker).startsWith},
		{"cidr", `cidr(source.ip, "10.0.0.0/8")`, "the address is in the network, or in one of a list of them", (*checker).cidr},
	}
}

func functionNames() (names []string) {
	for _, f := range functions() {
		names = append(names, f.name)
	}
	return slices.Compact(names)
}

// call checks a function call.
func (c *checker) call(e *hclsyntax.FunctionCallExpr) condition {
	known := functions()
	i := slices.IndexFunc(known, func(f function) bool { return f.name == e.Name })
	if sign := signs[strings.ToLower(e.Name)]; i < 0 && sign != "" {
		return c.no(e.NameRange, "Unknown function", "%s is written %s: conditions are made with && || !.", quoted(e.Name), sign)
	}
	if i < 0 {
		return c.no(e.NameRange, "Unknown function", "There is no function %s: there are %s.%s", quoted(e.Name), strings.Join(functionNames(), ", "), didYouMean(e.Name, functionNames()))
	}
	if len(e.Args) != 2 || e.ExpandFinal {
		return c.no(e.Range(), "Wrong arguments", "%s takes two arguments.", e.Name)
	}
	return known[i].check(c, unwrap(e.Args[0]), unwrap(e.Args[1]))
}

// contains is contains([WORD, ...], TEXT) or contains(LIST, WORD).
func (c *checker) contains(list, item hclsyntax.Expression) condition {
	if tuple, ok := list.(*hclsyntax.TupleConsExpr); ok {
		return c.oneOf(tuple, item)
	}
	traversal, ok := list.(*hclsyntax.ScopeTraversalExpr)
	if !ok {
		return c.no(list.Range(), "Wrong type", "contains looks into a list, which comes first: contains([\"shell\", \"exec\"], op), contains(caller.groups, \"backend\").")
	}
	attr := c.attribute(traversal)
	if attr == nil {
		return constant(true)
	}
	if attr.list == nil {
		return c.no(list.Range(), "Wrong type", "%s is %s, not a list.%s", attr.name, attr.typeName(), turned(attr, item))
	}
	word, ok := c.word(attr, item)
	if !ok {
		return constant(true)
	}
	member := attr.has(word)
	c.mentions.add(member)
	return flagIs{member}
}

// turned says what to write where a text stands for the list.
func turned(attr *attribute, item hclsyntax.Expression) string {
	if attr.text == nil {
		return ""
	}
	if _, ok := item.(*hclsyntax.TupleConsExpr); ok {
		return fmt.Sprintf(" The list comes first: contains([...], %s).", attr.name)
	}
	if word, ok := literalText(item); ok {
		return fmt.Sprintf(" Compare it: %s == %s.", attr.name, quoted(word))
	}
	return ""
}

func (c *checker) oneOf(tuple *hclsyntax.TupleConsExpr, item hclsyntax.Expression) condition {
	attr := c.textArgument("contains", item)
	if attr == nil {
		return constant(true)
	}
	if len(tuple.Exprs) == 0 {
		return c.no(tuple.Range(), "Can never match", "The list is empty.")
	}
	var words []string
	for _, element := range tuple.Exprs {
		word, ok := c.word(attr, element)
		if !ok {
			continue
		}
		words = append(words, word)
	}
	c.mentions.add(attr, words...)
	return textIn{attr, words}
}

// textArgument checks an argument that is a text of the request.
func (c *checker) textArgument(function string, e hclsyntax.Expression) *attribute {
	traversal, ok := e.(*hclsyntax.ScopeTraversalExpr)
	if !ok {
		c.no(e.Range(), "Wrong type", "%s looks at a fact of the request, such as target.repo.", function)
		return nil
	}
	attr := c.attribute(traversal)
	if attr != nil && attr.text == nil {
		c.no(e.Range(), "Wrong type", "%s is %s, not text.", attr.name, attr.typeName())
		return nil
	}
	return attr
}

// glob is glob(TEXT, "PATTERN"): * for any run of characters, ? for one.
func (c *checker) glob(text, with hclsyntax.Expression) condition {
	attr := c.textArgument("glob", text)
	shape, ok := literalText(with)
	switch {
	case attr == nil:
		return constant(true)
	case !ok:
		return c.no(with.Range(), "Wrong type", "A pattern is a quoted text.")
	case !strings.ContainsAny(shape, "*?"):
		return c.no(with.Range(), "Not a pattern", "A pattern has a * or a ? in it. For this very text use ==.")
	}
	return c.fits(attr, pattern{shape, glob}, with)
}

// startsWith is startswith(TEXT, "PREFIX").
func (c *checker) startsWith(text, with hclsyntax.Expression) condition {
	attr := c.textArgument("startswith", text)
	begin, ok := literalText(with)
	switch {
	case attr == nil:
		return constant(true)
	case !ok || begin == "":
		return c.no(with.Range(), "Wrong type", "A prefix is a quoted text, and not an empty one.")
	}
	return c.fits(attr, pattern{begin, prefix}, with)
}

// neverFits says why no value of an attribute is like this one, a pattern with letters put in; empty where one can be.
func (a *attribute) neverFits(sample string) string {
	if a.words.check == nil {
		return ""
	}
	if err := a.words.check(sample); err != nil {
		return fmt.Sprintf("No %s fits that, as %s shows: %v.", a.words.what, quoted(sample), err)
	}
	return ""
}

func (c *checker) fits(attr *attribute, p pattern, at hclsyntax.Expression) condition {
	why := attr.neverFits(p.sample("a"))
	if why != "" && attr.neverFits(p.shortest()) != "" {
		return c.no(at.Range(), "Can never match", "%s", why)
	}
	if all := attr.words.all(); all != nil {
		c.mentions.add(attr, all...) // of a closed list it is known which words fit
	} else {
		c.mentions[attr] = c.mentions[attr].fitting(p)
	}
	return textFits{attr, p}
}

// globMatch runs in len(pattern)*len(s) steps at worst.
func globMatch(pattern, s string) bool {
	p, i, star, mark := 0, 0, -1, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == s[i]):
			p, i = p+1, i+1
		case star >= 0:
			mark++
			p, i = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// cidr is cidr(source.ip, "NETWORK") or cidr(source.ip, ["NETWORK", ...]).
func (c *checker) cidr(address, in hclsyntax.Expression) condition {
	traversal, ok := address.(*hclsyntax.ScopeTraversalExpr)
	if !ok {
		return c.no(address.Range(), "Wrong type", "cidr looks at source.ip.")
	}
	attr := c.attribute(traversal)
	if attr == nil {
		return constant(true)
	}
	if attr.addr == nil {
		return c.no(address.Range(), "Wrong type", "%s is %s, not an address.", attr.name, attr.typeName())
	}
	elements := []hclsyntax.Expression{in}
	if tuple, ok := in.(*hclsyntax.TupleConsExpr); ok {
		elements = tuple.Exprs
	}
	if len(elements) == 0 {
		return c.no(in.Range(), "Can never match", "The list is empty.")
	}
	var networks []netip.Prefix
	for _, element := range elements {
		if network, ok := c.network(element); ok {
			networks = append(networks, network)
			c.mentions.network(attr, network)
		}
	}
	return within{attr, networks}
}

func (c *checker) network(e hclsyntax.Expression) (netip.Prefix, bool) {
	text, ok := literalText(unwrap(e))
	if !ok {
		c.no(e.Range(), "Wrong type", "A network is a quoted text such as \"10.0.0.0/8\".")
		return netip.Prefix{}, false
	}
	network, err := netip.ParsePrefix(text)
	switch {
	case err != nil:
		c.no(e.Range(), "Malformed network", "%s is no network such as \"10.0.0.0/8\" or \"2001:db8::/32\".", quoted(text))
	case network != network.Masked():
		c.no(e.Range(), "Malformed network", "%s has bits beyond its length: %s?", text, network.Masked())
	case network.Addr().Is4In6():
		c.no(e.Range(), "Can never match", "IPv4 addresses are written as such: %s.", network.Addr().Unmap())
	default:
		return network, true
	}
	return netip.Prefix{}, false
}
