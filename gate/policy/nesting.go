package policy

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// maxNesting is how deep brackets, templates and conditions may nest. HCL's parser is recursive and Go ends a process whose
// stack is exhausted, so depth is looked at before parsing.
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
		case hclsyntax.TokenQuestion, hclsyntax.TokenTemplateControl:
			forGood++ // these nest without a bracket, and a policy has no use for them
		}
		if token.Type == hclsyntax.TokenBang || token.Type == hclsyntax.TokenMinus {
			run++
		} else {
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
