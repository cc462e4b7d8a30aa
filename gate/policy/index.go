package policy

import (
	"forkgate/gate"
)

// slot is where a rule is filed: under the facts that nearly every rule speaks of. Rules that speak of no repository, or of no principal,
// in particular are filed under an empty one.
type slot struct {
	op        gate.Op
	kind      gate.Kind
	repo      string
	principal string
}

// bucket holds the rules of a slot, each list by name.
type bucket struct{ forbids, permits, approvals []*rule }

// index finds the rules that can match a request without a look at the others, however many these are.
type index map[asked]*shelf

type asked struct {
	op   gate.Op
	kind gate.Kind
}

// shelf holds the rules of an operation and a kind of caller.
type shelf struct {
	general     *bucket // those that name neither a repository nor a principal
	byRepo      map[string]*bucket
	byPrincipal map[string]*bucket
	byBoth      map[named]*bucket
}

type named struct{ repo, principal string }

// at finds the bucket of a slot, and makes it where there is none.
func (ix index) at(s slot) *bucket {
	key := asked{s.op, s.kind}
	if ix[key] == nil {
		ix[key] = &shelf{general: &bucket{}, byRepo: map[string]*bucket{}, byPrincipal: map[string]*bucket{}, byBoth: map[named]*bucket{}}
	}
	on := ix[key]
	switch {
	case s.repo == "" && s.principal == "":
		return on.general
	case s.principal == "":
		return made(on.byRepo, s.repo)
	case s.repo == "":
		return made(on.byPrincipal, s.principal)
	}
	return made(on.byBoth, named{s.repo, s.principal})
}

func made[K comparable](in map[K]*bucket, key K) *bucket {
	if in[key] == nil {
		in[key] = &bucket{}
	}
	return in[key]
}

// file puts rules, which are sorted by name, into every bucket that they can match in.
func (ix index) file(rules []*rule) {
	for _, r := range rules {
		for _, s := range r.slots {
			b := ix.at(s)
			switch {
			case r.approval != nil:
				b.approvals = append(b.approvals, r)
			case r.effect == gate.Permit:
				b.permits = append(b.permits, r)
			default:
				b.forbids = append(b.forbids, r)
			}
		}
	}
}

// candidates are the buckets that a request's rules lie in; some may be missing.
type candidates [4]*bucket

// of finds the rules of everything, of the request's repository, of its principal, and of both.
func (ix index) of(r *gate.Request) candidates {
	on := ix[asked{r.Op, r.Caller.Kind}]
	if on == nil {
		return candidates{}
	}
	return candidates{
		on.general, on.byRepo[r.Target.Repo], on.byPrincipal[r.Caller.Principal], on.byBoth[named{r.Target.Repo, r.Caller.Principal}],
	}
}

func (b *bucket) forbidding() []*rule { return b.forbids }
func (b *bucket) permitting() []*rule { return b.permits }
func (b *bucket) approving() []*rule  { return b.approvals }

// first finds the first rule by name that fits.
func (c *candidates) first(of func(*bucket) []*rule, fits func(*rule) bool) (found *rule) {
	for _, b := range c {
		if b == nil {
			continue
		}
		for _, r := range of(b) {
			if found != nil && found.name <= r.name {
				break
			}
			if fits(r) {
				found = r
				break
			}
		}
	}
	return found
}

// all lists the rules that match.
func (c *candidates) all(of func(*bucket) []*rule, q *gate.Request) (found []*rule) {
	for _, b := range c {
		if b == nil {
			continue
		}
		for _, r := range of(b) {
			if r.when(q) {
				found = append(found, r)
			}
		}
	}
	return found
}

// maxSlots is how many slots a rule is filed under for one operation; one that names more is filed under what names less.
const maxSlots = 256

// slots lists where in the index a rule has to be filed: wherever its condition can hold.
func slots(c condition, m mentions, s schema) (found []slot) {
	repo, principal := s["target.repo"], s["caller.principal"]
	w := world{}
	for _, op := range gate.Ops() {
		for _, kind := range []gate.Kind{gate.Agent, gate.Human} {
			w["op"], w["caller.kind"] = value{text: string(op)}, value{text: kind.String()}
			if c.guess(w) == no {
				continue
			}
			repos, principals := bounded(c, w, m, repo), bounded(c, w, m, principal)
			if len(repos)*len(principals) > maxSlots {
				principals = []string{""}
			}
			if len(repos) > maxSlots {
				repos = []string{""}
			}
			for _, r := range repos {
				for _, p := range principals {
					found = append(found, slot{op, kind, r, p})
				}
			}
		}
	}
	return found
}

// bounded lists the words of a fact with which a condition can hold in a world; the empty one alone where that is any word.
func bounded(c condition, w world, m mentions, a *attribute) (words []string) {
	defer delete(w, a.name)
	for _, v := range m[a].values {
		if w[a.name] = v; c.guess(w) != no {
			words = append(words, v.text)
		}
	}
	if w[a.name] = (value{other: true}); len(words) == 0 || c.guess(w) != no {
		return []string{""}
	}
	return words
}
