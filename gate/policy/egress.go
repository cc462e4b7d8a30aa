package policy

import (
	"cmp"
	"slices"

	"forkgate/gate"
)

// reaches is what a rule lets connections go to. It is in normal form: sorted, and without an element that another includes.
// So two that let the same through are equal.
type reaches []gate.Egress

// intersect is what both let through. nil lets everything through: a rule that does not speak of egress.
func (r *reaches) intersect(other *reaches) *reaches {
	switch {
	case r == nil:
		return other
	case other == nil:
		return r
	}
	both := reaches{}
	for _, a := range *r {
		for _, b := range *other {
			if c, ok := a.Intersect(b); ok {
				both = append(both, c)
			}
		}
	}
	both = both.normal()
	return &both
}

// normal sorts, and drops what another element includes.
func (r reaches) normal() reaches {
	kept := reaches{}
	for i, one := range r {
		included := slices.Contains(r[:i], one)
		for _, o := range r {
			common, ok := one.Intersect(o)
			included = included || o != one && ok && common == one
		}
		if !included {
			kept = append(kept, one)
		}
	}
	slices.SortFunc(kept, func(a, b gate.Egress) int { return cmp.Compare(a.String(), b.String()) })
	return kept
}

func (r *reaches) texts() []string {
	if r == nil {
		return nil
	}
	texts := []string{}
	for _, one := range *r {
		texts = append(texts, one.String())
	}
	return texts
}

// egress reads where connections may go; nil where the attribute is missing.
func (f *fields) egress(name string) *reaches {
	if !f.has(name) {
		return nil
	}
	all := reaches{}
	for _, item := range f.list(name) {
		one, err := gate.ParseEgress(item.text)
		if err != nil {
			f.complain(item.at, "Malformed egress", "%s", sentence(err))
			continue
		}
		all = append(all, one)
	}
	all = all.normal()
	return &all
}
