package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// NamedRepository is a place where the condition of a rule names a repository. Whether there is such a one is the host's to say: policy is
// written before repositories are made, checked on other machines, and stays when they are removed.
type NamedRepository struct {
	Repo   string
	Effect string // forbid, permit, approve; or scrub, for a rule of that kind
	Rule   string
	File   string
	Line   int // the first in that rule, from 1
	Column int
}

// NamedRepositories lists what rules name by target.repo, target.ref, target.parent and repositories, each once for each rule, by place. Patterns name nothing.
func (p *Policy) NamedRepositories() []NamedRepository { return slices.Clone(p.named) }

// Missing says which repositories rules name that are not among those which exist, with a guess at what was meant.
func (p *Policy) Missing(exist []string) (all []Problem) {
	there := map[string]bool{}
	for _, name := range exist {
		there[name] = true
	}
	for _, n := range p.named {
		if there[n.Repo] {
			continue
		}
		all = append(all, n.problem("No such repository", fmt.Sprintf("%s %s names %s, and there is no such repository on this host.%s Mend the name, or make it with: forkgate repo create %s",
			n.Effect, quoted(n.Rule), quoted(n.Repo), didYouMean(n.Repo, exist), n.Repo)))
	}
	return all
}

func (n NamedRepository) problem(summary, detail string) Problem {
	return Problem{File: n.File, Line: n.Line, Column: n.Column, Summary: summary, Detail: detail}
}

// names keeps that the rule which is being read names a repository.
func (l *loader) names(attr *attribute, word string, at hcl.Range) {
	if word == "" || !slices.Contains([]string{"target.repo", "target.ref", "target.parent"}, attr.name) {
		return
	}
	repo, _, _ := strings.Cut(word, ":")
	l.naming = append(l.naming, NamedRepository{Repo: repo, File: at.Filename, Line: at.Start.Line, Column: at.Start.Column})
}

// named files what a rule names under it.
func (l *loader) named(r *rule) {
	seen := map[string]bool{}
	for _, n := range l.naming {
		if seen[n.Repo] {
			continue
		}
		seen[n.Repo] = true
		n.Effect, n.Rule = r.word(), r.name
		l.policy.named = append(l.policy.named, n)
	}
	l.naming = nil
}

// maxCompared is how many names are compared with each other: the time that takes grows with the square of it.
const maxCompared = 500

// noteMisspelt notes repositories that one rule names, by a name that is a slip away from one which is named more often or has a block.
func (l *loader) noteMisspelt() {
	often, blocks := map[string]int{}, l.policy.repositories
	for _, n := range l.policy.named {
		often[n.Repo]++
	}
	for name := range blocks {
		often[name] = max(2, often[name]+1) // it is meant, whoever else names it
	}
	if len(often) > maxCompared {
		return
	}
	known := slices.Sorted(maps.Keys(often))
	for _, n := range l.policy.named {
		if often[n.Repo] > 1 {
			continue
		}
		near := slices.IndexFunc(known, func(other string) bool { return often[other] > 1 && slip(n.Repo, other) })
		if near < 0 {
			continue
		}
		l.policy.summary.Notes = append(l.policy.summary.Notes, n.problem("Named once",
			fmt.Sprintf("%s is named once, by %s %s; did you mean %s?", quoted(n.Repo), n.Effect, quoted(n.Rule), quoted(known[near]))))
	}
}
