package policy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"forkgate/gate/policy"
)

// Whatever the reference says has to be there is asked for where it is missing, and nothing that it does not show may stand anywhere.
func TestTheReferenceIsTrue(t *testing.T) {
	for _, block := range policy.NewReference().Blocks {
		if block.Meaning == "" {
			t.Errorf("%s is not described", block.Type)
		}
		for _, field := range block.Fields {
			if field.Shape == "" || field.Meaning == "" {
				t.Errorf("%s.%s is not described", block.Type, field.Name)
			}
			if field.Required && !strings.Contains(problems(t, block, ""), field.Name) {
				t.Errorf("%s may be missing in %s:\n%s", field.Name, block.Type, problems(t, block, ""))
			}
			if said := problems(t, block, field.Name+" = null"); strings.Contains(said, "Unsupported argument") {
				t.Errorf("%s.%s is in the reference alone:\n%s", block.Type, field.Name, said)
			}
		}
		if said := problems(t, block, "unheard_of = 1"); !strings.Contains(said, "Unsupported argument") {
			t.Errorf("%s takes what it does not know:\n%s", block.Type, said)
		}
	}
}

// problems says what is wrong with a policy in which there is one block of a type with a body.
func problems(t *testing.T, block policy.BlockReference, body string) string {
	t.Helper()
	text := block.Type
	if block.Label != "" {
		text += ` "it"`
	}
	text += fmt.Sprintf(" {\n%s\n}\n", body)
	switch {
	case slices.Contains(block.In, "test"):
		other := map[string]string{"request": "expect {}", "expect": "request {}"}[block.Type]
		text = "test \"it\" {\n" + text + other + "\n}\n"
	case slices.Contains(block.In, "permit"):
		text = "permit \"it\" {\nwhen = true\n" + text + "}\n"
	}
	_, err := policy.Load(readFile(t, "common.hcl"), policy.Text{Name: "it.hcl", Text: []byte(text)})
	if err == nil {
		return ""
	}
	return err.Error()
}

// What the reference names, it names to who reads it.
func TestTheReferenceIsShown(t *testing.T) {
	all := policy.NewReference()
	text := all.String()
	for _, fact := range all.Facts {
		if !strings.Contains(text, "\n  "+fact.Name+" ") || fact.Meaning == "" {
			t.Errorf("%s is not shown, or not described", fact.Name)
		}
	}
	for _, op := range all.Operations {
		if !strings.Contains(text, "\n  "+string(op.Op)+" ") {
			t.Errorf("%s is not shown", op.Op)
		}
	}
	for _, line := range []string{
		`permit "NAME": `, "limits, in permit and expect: ", ` *when `, "what speaks (agent, human)", `glob(target.repo, "demo-*")`,
	} {
		if !strings.Contains(text, line) {
			t.Errorf("there is no %q in\n%s", line, text)
		}
	}
}
