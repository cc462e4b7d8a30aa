package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Who is refused reads what to do: in the hint, or in troubleshooting.md under what was said.
func TestRefusalsSayWhatToDo(t *testing.T) {
	headings, n := headingsOf(t), 0
	eachSource(t, func(files *token.FileSet, f *ast.File) {
		for _, r := range refusalsIn(f) {
			n++
			if r.helpless(headings) {
				t.Errorf("%s: a refusal of %q has no hint, and no place in troubleshooting.md", files.Position(r.at), r.says)
			}
		}
	})
	if n < 80 {
		t.Errorf("only %d refusals found", n)
	}
}

// The control: what is in neither is noticed.
func TestRefusalsWithoutHelpAreNoticed(t *testing.T) {
	for reason, want := range map[string]bool{
		`Reason: t.Ref() + " is out for lunch"`:                                         true,
		`Reason: fmt.Sprintf("%s is out for lunch", t.Ref())`:                           true,
		`Reason: t.Ref() + " is out for lunch", Hint: "wait"`:                           false,
		`Reason: t.Ref() + " is a grand (production) repository; agents work in forks"`: false,
		`Reason: err.Error()`: false,
	} {
		f, err := parser.ParseFile(token.NewFileSet(), "", "package x\nvar _ = &gate.Refusal{"+reason+"}", 0)
		if err != nil {
			t.Fatal(err)
		}
		if found := refusalsIn(f); len(found) != 1 || found[0].helpless(headingsOf(t)) != want {
			t.Errorf("%s: %v, want %v", reason, found, want)
		}
	}
}

// refusal is one that the code makes: what its reason says word for word.
type refusal struct {
	at   token.Pos
	says []string
	hint bool
}

func (r refusal) helpless(headings []string) bool {
	return !r.hint && len(r.says) > 0 && !slices.ContainsFunc(headings, func(heading string) bool {
		return !slices.ContainsFunc(r.says, func(piece string) bool { return !strings.Contains(heading, piece) })
	})
}

func refusalsIn(f *ast.File) (all []refusal) {
	ast.Inspect(f, func(n ast.Node) bool {
		literal, ok := n.(*ast.CompositeLit)
		if !ok || !isRefusal(literal.Type) {
			return true
		}
		r, says := refusal{at: literal.Pos()}, false
		for _, field := range literal.Elts {
			pair, ok := field.(*ast.KeyValueExpr)
			if !ok {
				continue
			}
			switch name, _ := pair.Key.(*ast.Ident); name.Name {
			case "Reason":
				r.says, says = piecesOf(pair.Value), true
			case "Hint":
				r.hint = true
			}
		}
		if says {
			all = append(all, r)
		}
		return true
	})
	return all
}

func isRefusal(named ast.Expr) bool {
	switch n := named.(type) {
	case *ast.Ident:
		return n.Name == "Refusal"
	case *ast.SelectorExpr:
		return n.Sel.Name == "Refusal"
	}
	return false
}

// piecesOf are the texts in an expression, cut where something is filled in.
func piecesOf(reason ast.Expr) (all []string) {
	ast.Inspect(reason, func(n ast.Node) bool {
		if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
			text, _ := strconv.Unquote(literal.Value)
			for _, piece := range varies.Split(text, -1) {
				if piece = strings.TrimSpace(piece); len(piece) > 3 {
					all = append(all, piece)
				}
			}
		}
		return true
	})
	return all
}

func headingsOf(t *testing.T) (all []string) {
	t.Helper()
	for _, line := range linesOf(t, "troubleshooting.md") {
		if message, ok := strings.CutPrefix(line, "### `"); ok {
			all = append(all, message)
		}
	}
	return all
}
