package policy

import (
	"strconv"
	"strings"
	"unicode"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"forkgate/gate"
)

// template compiles a text such as "${target.ref} is a repository". It is one line, because a refusal has three.
func (l *loader) template(s schema, attr *hcl.Attribute) func(*gate.Request) string {
	var parts []func(*gate.Request) string
	for _, part := range templateParts(attr.Expr) {
		if compiled := l.part(s, part); compiled != nil {
			parts = append(parts, compiled)
		}
	}
	if text, ok := literalText(attr.Expr); ok && strings.TrimSpace(text) == "" {
		l.complain(attr.Expr.Range(), "Empty text", "%s says nothing.", attr.Name)
	}
	if len(parts) == 1 {
		return parts[0]
	}
	return func(r *gate.Request) string {
		var text strings.Builder
		for _, part := range parts {
			text.WriteString(part(r))
		}
		return text.String()
	}
}

func templateParts(e hcl.Expression) []hclsyntax.Expression {
	switch e := e.(type) {
	case *hclsyntax.TemplateExpr:
		return e.Parts
	case *hclsyntax.TemplateWrapExpr: // "${x}" and nothing else
		return []hclsyntax.Expression{e.Wrapped}
	case hclsyntax.Expression:
		return []hclsyntax.Expression{e}
	}
	return nil
}

func (l *loader) part(s schema, e hclsyntax.Expression) func(*gate.Request) string {
	switch e := unwrap(e).(type) {
	case *hclsyntax.LiteralValueExpr:
		text, ok := literalText(&hclsyntax.TemplateExpr{Parts: []hclsyntax.Expression{e}})
		if !ok {
			break
		}
		if strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
			l.complain(e.Range(), "Malformed text", "A text is one line of printable characters.")
		}
		return func(*gate.Request) string { return text }
	case *hclsyntax.ScopeTraversalExpr:
		attr := l.attribute(s, e)
		switch {
		case attr == nil:
			return nil
		case attr.text != nil:
			return func(r *gate.Request) string { return cut(attr.text(r)) }
		case attr.number != nil:
			return func(r *gate.Request) string { return strconv.Itoa(attr.number(r)) }
		}
		l.complain(e.Range(), "Wrong type", "%s is %s, and cannot stand in a text.", attr.name, attr.typeName())
		return nil
	}
	l.complain(e.Range(), "Wrong type", "A text is quoted, and names facts as ${target.ref}.")
	return nil
}
