package policy_test

import (
	"slices"
	"strings"
	"testing"

	"forkgate/gate/policy"
)

// What is done to a fork is what the rules say of its repository, in the order of their names; a repository that is not there is told of, as else
// nothing would be done and nobody would know.
func TestScrubs(t *testing.T) {
	p, err := policy.Load(readFile(t, "common.hcl"), readFile(t, "good/scrub.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	for repo, want := range map[string]string{"shop": "credentials dumps payment-keys program z-leaks", "demo": "credentials dumps"} {
		var names []string
		for _, s := range p.Scrubs(repo) {
			names = append(names, s.Name)
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("forks of %s: %s, want %s", repo, got, want)
		}
	}
	i := slices.IndexFunc(p.Scrubs("shop"), func(s policy.Scrub) bool { return s.Name == "payment-keys" })
	if s := p.Scrubs("shop")[i]; s.Set["STRIPE_*"] != "sk_test_sandbox" || s.Generate[0] != "DB_PASSWORD" || len(s.Files) != 2 || len(s.Volumes) != 1 {
		t.Errorf("%+v", s)
	}
	last := p.Scrubs("shop")[4]
	if last.Leaks != "refuse" || last.Ignore[0] != "generic-api-key" || last.Files[0] != "**" || last.Volumes[0] != "**" {
		t.Errorf("%+v", last)
	}
	missing := p.Missing([]string{"shopp"})
	if len(missing) != 3 || !strings.HasPrefix(missing[0].Detail, `scrub "payment-keys" names "shop", and there is no such repository`) {
		t.Errorf("missing are %+v", missing)
	}
	if missing := p.Missing([]string{"shop"}); len(missing) > 0 {
		t.Errorf("missing are %+v", missing)
	}
}
