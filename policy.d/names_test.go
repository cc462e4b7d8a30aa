package policyd_test

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"forkgate/gate/policy"
	policyd "forkgate/policy.d"
)

// Rules about repositories and principals that somebody has, of whatever name, fail no test of the baseline. What the tests speak of is
// told by its name.
func TestOwnRules(t *testing.T) {
	const name = "baseline-"
	for _, file := range []string{"baseline.hcl", "agents.hcl"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range regexp.MustCompile(`(?m)^ +(?:caller|target|owner|parent|parent_owner|asker|approver|override) += (.*)$`).FindAllStringSubmatch(string(text), -1) {
			for word := range strings.SplitSeq(strings.Trim(found[1], "[]"), ", ") {
				if !strings.HasPrefix(word, `"`+name) && word != `"root"` {
					t.Errorf("a test of %s speaks of %s, which somebody may have", file, word)
				}
			}
		}
	}
	load := func(repo, principal string) error {
		rules := fmt.Sprintf("forbid \"repo\" {\n  when = target.repo == %q\n  reason = \"closed\"\n}\n"+
			"principal %[2]q {\n}\nforbid \"principal\" {\n  when = caller.principal == %[2]q\n  reason = \"gone\"\n}\n", repo, principal)
		_, err := policy.Load(policy.FS{FS: policyd.Files()}, policy.Text{Name: "local.hcl", Text: []byte(rules)})
		return err
	}
	for _, repo := range []string{"demo", "shop", "payroll"} {
		for _, principal := range []string{"alice", "bob", "bot"} {
			if err := load(repo, principal); err != nil {
				t.Errorf("rules about %s and %s do not load: %v", repo, principal, err)
			}
		}
	}
	if load(name+"repo", "alice") == nil || load("demo", name+"person") == nil {
		t.Error("the tests speak of nobody and nothing: whatever the rules are they pass")
	}
}
