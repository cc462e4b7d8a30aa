package policy

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// What is looked at before a file is parsed. HCL's parser is recursive, and Go ends a process whose stack is exhausted; its
// display of a complaint takes time that grows with the square of a line that is no UTF-8.

// maxLine is the longest line in bytes. The longest key has some 3,000.
const maxLine = 16 << 10

// checkText complains of bytes that no policy has.
func checkText(file File) *hcl.Diagnostic {
	for i, line := range strings.Split(string(file.Text), "\n") {
		at := hcl.Range{Filename: file.Name, Start: hcl.Pos{Line: i + 1, Column: 1}, End: hcl.Pos{Line: i + 1, Column: 1}}
		control := func(r rune) bool { return unicode.IsControl(r) && r != '\t' && r != '\r' }
		switch {
		case len(line) > maxLine:
			return complaint(at, "Line too long", "A line has at most %d bytes, and this one has %d.", maxLine, len(line))
		case !utf8.ValidString(line) || strings.ContainsFunc(line, control):
			return complaint(at, "Not a text", "A policy is UTF-8 without control characters: this line starts with %s.", quoted(line))
		}
	}
	return nil
}

// maxNesting is how deep brackets and templates may nest.
const maxNesting = 100

// checkNesting complains of a file whose nesting is too deep to be parsed.
func checkNesting(file File) *hcl.Diagnostic {
	tokens, _ := hclsyntax.LexConfig(file.Text, file.Name, hcl.InitialPos) // the parser repeats what the lexer complains of
	depth, forGood, run := 0, 0, 0
	for _, token := range tokens {
		switch token.Type {
		case hclsyntax.TokenOBrace, hclsyntax.TokenOBrack, hclsyntax.TokenOParen, hclsyntax.TokenTemplateInterp:
			depth++
		case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCParen, hclsyntax.TokenTemplateSeqEnd:
			depth = max(depth-1, 0)
		case hclsyntax.TokenQuestion, hclsyntax.TokenStar, hclsyntax.TokenTemplateControl:
			forGood++ // these nest without a bracket, and a policy has no use for them
		case hclsyntax.TokenBang, hclsyntax.TokenMinus:
			run++
		case hclsyntax.TokenNewline:
		default:
			run = 0
		}
		if depth+forGood+run > maxNesting {
			return complaint(token.Range, "Nested too deep", "Brackets and templates nest at most %d deep.", maxNesting)
		}
	}
	return nil
}

// maxTerms bounds how many && and || one condition may chain, for the same reason.
const maxTerms = 500
