package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"forkgate/gate/policy"
)

// The document of policy is what the binary itself says of it. UPDATE=1 writes it.
func TestThePolicyDocument(t *testing.T) {
	const file = "../../packaging/docs/policy.md"
	want := policyDocument(policy.NewReference())
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != want {
		t.Errorf("%s is not what forkgate policy schema says (%v): UPDATE=1 go test -run TestThePolicyDocument ./cmd/forkgate", file, err)
	}
}

// policyDocument is the reference in Markdown.
func policyDocument(all policy.Reference) string {
	var text strings.Builder
	text.WriteString("# Policy, all of it\n\nMade of what `forkgate policy schema` prints; a test keeps it so. What each is for, with examples, is in\n" +
		"[Writing policy](writing-policy.md). Files `*.hcl` in `/etc/forkgate` and `/etc/forkgate/policy.d` are read together, in HCL. What no permit matches is\n" +
		"refused, a forbid beats every permit, and the order of files and rules means nothing.\n\n## Blocks\n")
	for _, block := range all.Blocks {
		fmt.Fprintf(&text, "\n### %s\n\n", title(block))
		if len(block.In) > 0 {
			fmt.Fprintf(&text, "In `%s`: ", strings.Join(block.In, "` and `"))
		}
		text.WriteString(cell(block.Meaning) + ".\n")
		if len(block.Fields) == 0 {
			continue
		}
		text.WriteString("\n| field | written as | |\n|---|---|---|\n")
		for _, f := range block.Fields {
			need := ""
			if f.Required {
				need = ", needed"
			}
			fmt.Fprintf(&text, "| `%s`%s | `%s` | %s |\n", f.Name, need, strings.ReplaceAll(f.Shape, "|", `\|`), cell(f.Meaning))
		}
	}
	text.WriteString("\n## Facts\n\nFor conditions, and as `${FACT}` in `reason` and `hint`.\n\n| fact | type | |\n|---|---|---|\n")
	for _, fact := range all.Facts {
		meaning := cell(fact.Meaning)
		if len(fact.Words) > 0 {
			meaning += ": `" + strings.Join(fact.Words, "`, `") + "`"
		}
		fmt.Fprintf(&text, "| `%s` | %s | %s |\n", fact.Name, fact.Type, meaning)
	}
	text.WriteString("\n## Functions\n\nConditions are made of facts with `== != < <= > >=`, of `&& || ! ( )`, and of functions.\n\n| function | |\n|---|---|\n")
	for _, f := range all.Functions {
		fmt.Fprintf(&text, "| `%s` | %s |\n", strings.ReplaceAll(f.Example, "|", `\|`), cell(f.Meaning))
	}
	text.WriteString("\n## Operations\n\nWhat `op` is one of.\n\n| op | |\n|---|---|\n")
	for _, op := range all.Operations {
		fmt.Fprintf(&text, "| `%s` | %s |\n", op.Op, cell(op.Meaning))
	}
	return text.String()
}

func title(b policy.BlockReference) string {
	if b.Label != "" {
		return b.Type + ` "` + b.Label + `"`
	}
	return b.Type
}

// cell is a text in a table, where a bar would begin another column, and what looks like HTML would be none of it.
func cell(text string) string { return strings.NewReplacer("|", `\|`, "<", `\<`).Replace(text) }
