package policy

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"forkgate/gate/provenance"
)

// fields reads the attributes of a block. Values are literals: nothing is computed while loading, so loading takes a time that
// follows from the size of the files.
type fields struct {
	l      *loader
	attrs  hcl.Attributes
	blocks hcl.Blocks
	at     hcl.Range
	broken bool // something was complained of
	alien  bool // there are attributes that do not belong here, maybe misspelt ones
}

// literal is a text in a file.
type literal struct {
	text string
	at   hcl.Range
}

// fields checks that a block has only what the grammar gives its kind, and all that has to be there.
func (l *loader) fields(block *hcl.Block) *fields {
	kind := kindOf(block.Type)
	content, diags := block.Body.Content(kind.body())
	l.diags = append(l.diags, l.displaced(diags, kind.name)...)
	alien := diags.HasErrors()
	f := &fields{l: l, attrs: content.Attributes, blocks: content.Blocks, at: block.DefRange, broken: alien, alien: alien}
	for _, known := range kind.fields {
		_, there := f.attrs[known.name]
		if !there && known.need == required && !alien {
			f.complain(f.at, "Missing attribute", "%s is missing here: %s.", known.name, known.meaning)
		}
	}
	return f
}

func (f *fields) complain(at hcl.Range, summary, detail string, args ...any) {
	f.broken = true
	f.l.complain(at, summary, detail, args...)
}

// text reads a quoted text; the zero literal stands for an attribute that is not there.
func (f *fields) text(name string) literal {
	attr, ok := f.attrs[name]
	if !ok {
		return literal{at: f.at}
	}
	text, ok := literalText(attr.Expr)
	if !ok {
		f.complain(attr.Expr.Range(), "Wrong type", "%s is a quoted text.%s", name, plainly(attr.Expr))
	}
	return literal{text: text, at: attr.Expr.Range()}
}

func (f *fields) has(name string) bool { return f.attrs[name] != nil }

func (f *fields) flag(name string) bool {
	attr, ok := f.attrs[name]
	if !ok {
		return false
	}
	value, ok := literalBool(attr.Expr)
	if !ok {
		f.complain(attr.Expr.Range(), "Wrong type", "%s is true or false.", name)
	}
	return value
}

// list reads a list of quoted texts.
func (f *fields) list(name string) []literal {
	attr, ok := f.attrs[name]
	if !ok {
		return nil
	}
	tuple, ok := attr.Expr.(*hclsyntax.TupleConsExpr)
	if !ok {
		f.complain(attr.Expr.Range(), "Wrong type", "%s is a list of quoted texts.", name)
		return nil
	}
	var list []literal
	for _, element := range tuple.Exprs {
		text, ok := literalText(element)
		if !ok {
			f.complain(element.Range(), "Wrong type", "%s is a list of quoted texts.%s", name, plainly(element))
			continue
		}
		list = append(list, literal{text: text, at: element.Range()})
	}
	return list
}

func (f *fields) texts(name string) []string {
	var texts []string
	for _, item := range f.list(name) {
		texts = append(texts, item.text)
	}
	return texts
}

func (f *fields) marks(name string) []provenance.Mark {
	var marks []provenance.Mark
	for _, item := range f.list(name) {
		mark, err := provenance.ParseMark(item.text)
		if err != nil {
			f.complain(item.at, "Malformed mark", "%s", sentence(err))
			continue
		}
		marks = append(marks, mark)
	}
	return marks
}

// literalText reads an expression that is a text without templates in it.
func literalText(e hcl.Expression) (string, bool) {
	template, ok := e.(*hclsyntax.TemplateExpr)
	if !ok {
		return "", false
	}
	var text strings.Builder
	for _, part := range template.Parts {
		value, ok := part.(*hclsyntax.LiteralValueExpr)
		if !ok || value.Val.IsNull() || value.Val.Type() != cty.String {
			return "", false
		}
		text.WriteString(value.Val.AsString())
	}
	return text.String(), true
}

// plainly says how ${ is written where nothing is put in; empty where that is not what is wrong.
func plainly(e hcl.Expression) string {
	switch e.(type) {
	case *hclsyntax.TemplateExpr, *hclsyntax.TemplateWrapExpr:
		return " Nothing is put in here: $${ stands for ${, and %%{ for %{."
	}
	return ""
}

func literalBool(e hcl.Expression) (value, ok bool) {
	l, ok := e.(*hclsyntax.LiteralValueExpr)
	if !ok || l.Val.IsNull() || l.Val.Type() != cty.Bool {
		return false, false
	}
	return l.Val.True(), true
}

func literalNumber(e hcl.Expression) (n int, ok bool) {
	l, ok := e.(*hclsyntax.LiteralValueExpr)
	if !ok || l.Val.IsNull() || l.Val.Type() != cty.Number || !l.Val.AsBigFloat().IsInt() {
		return 0, false
	}
	wide, exact := l.Val.AsBigFloat().Int64()
	return int(wide), exact == 0 && int64(int(wide)) == wide
}
