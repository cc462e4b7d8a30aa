package policy

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// attribute looks up a fact of the request; nil after a complaint.
func (c *checker) attribute(e *hclsyntax.ScopeTraversalExpr) *attribute {
	return c.l.attribute(c.schema, e)
}

func (l *loader) attribute(s schema, e *hclsyntax.ScopeTraversalExpr) *attribute {
	var parts []string
	for _, step := range e.Traversal {
		switch step := step.(type) {
		case hcl.TraverseRoot:
			parts = append(parts, step.Name)
		case hcl.TraverseAttr:
			parts = append(parts, step.Name)
		default:
			l.complain(e.Range(), "No index", "Facts have names, no indices: use contains(LIST, ...).")
			return nil
		}
	}
	name := strings.Join(parts, ".")
	if attr, ok := s[name]; ok {
		return attr
	}
	l.complain(e.Range(), "Unknown attribute", "A request has no %s.%s", quoted(name), s.suggest(name))
	return nil
}

// suggest takes an unknown name for a misspelt attribute, or for a word that wants quotes.
func (s schema) suggest(name string) string {
	if meant := elsewhere[name]; s[meant] != nil {
		return " Did you mean " + quoted(meant) + "?"
	}
	if near := didYouMean(name, s.names()); near != "" {
		return near
	}
	said := ""
	for _, attr := range s {
		if attr.words != nil && attr.words.known != nil && attr.words.reject(name) == "" {
			said = " Words stand in quotes: " + quoted(name) + "."
		}
	}
	if facts := s.ending(name); facts != nil && said != "" {
		return said + " The fact is " + strings.Join(facts, ", or ") + "."
	} else if facts != nil {
		return " Did you mean " + strings.Join(facts, ", or ") + "?"
	} else if said != "" {
		return said
	}
	if attributes := s.under(name); attributes != nil {
		return " There is " + strings.Join(attributes, ", ") + "."
	}
	return ""
}

// ending lists the attributes whose last part is a word.
func (s schema) ending(word string) (found []string) {
	for _, known := range s.names() {
		if strings.HasSuffix(known, "."+word) {
			found = append(found, known)
		}
	}
	return found
}

// under lists the attributes with the same first part.
func (s schema) under(name string) []string {
	root, _, _ := strings.Cut(name, ".")
	var found []string
	for _, known := range s.names() {
		if strings.HasPrefix(known, root+".") {
			found = append(found, known)
		}
	}
	return found
}
