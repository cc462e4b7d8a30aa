package engines

import (
	"fmt"
	"strings"
)

// question is what is asked of every engine: may a principal do something with a repository.
type question struct {
	principal, op, repo string
	want                bool
}

// questions asks of rules all over the set, half of them what no rule permits.
func questions(rules int) []question {
	var all []question
	for n := range 16 {
		i := (n*rules/16 + 3*n) % rules
		all = append(all,
			question{fmt.Sprintf("user-%d", i), "exec", fmt.Sprintf("repo-%d", i), true},
			question{fmt.Sprintf("user-%d", i), "exec", fmt.Sprintf("repo-%d", i+1), false})
	}
	return all
}

// inHCL is the set of rules as forkgate has it; the others are the same in their own words.
func inHCL(rules int) string {
	const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDI/kXM5byMqO+aSicmtMhyHHdQ6sfTdr1xNXbNyrYpQ"
	var text strings.Builder
	fmt.Fprintf(&text, "attestor \"laptop\" {\n  key = %q\n  principals = {\n", key)
	for i := range rules {
		fmt.Fprintf(&text, "    \"%d\" = \"user-%d\"\n", 1000+i, i)
	}
	text.WriteString("  }\n}\n")
	for i := range rules {
		fmt.Fprintf(&text, "principal \"user-%d\" {}\npermit \"p-%d\" {\n  when = caller.principal == \"user-%d\" && op == \"exec\" && target.repo == \"repo-%d\"\n}\n", i, i, i, i)
	}
	return text.String()
}

func inRego(rules int) string {
	var text strings.Builder
	text.WriteString("package gate\n\ndefault allow := false\n\n")
	for i := range rules {
		fmt.Fprintf(&text, "allow if {\n  input.principal == \"user-%d\"\n  input.op == \"exec\"\n  input.repo == \"repo-%d\"\n}\n", i, i)
	}
	return text.String()
}

func inCedar(rules int) string {
	var text strings.Builder
	for i := range rules {
		fmt.Fprintf(&text, "permit (principal == User::\"user-%d\", action == Action::\"exec\", resource == Repo::\"repo-%d\");\n", i, i)
	}
	return text.String()
}

func inCEL(rules int) []string {
	var all []string
	for i := range rules {
		all = append(all, fmt.Sprintf("principal == 'user-%d' && op == 'exec' && repo == 'repo-%d'", i, i))
	}
	return all
}
