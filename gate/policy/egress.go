package policy

import (
	"cmp"
	"maps"
	"slices"
	"strings"

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

// egress reads where connections may go; nil where the attribute is missing. "@NAME" stands for what a places block of that name lists.
func (f *fields) egress(name string) *reaches {
	if !f.has(name) {
		return nil
	}
	all := reaches{}
	for _, item := range f.list(name) {
		if set, named := strings.CutPrefix(item.text, "@"); named {
			all = append(all, f.places(set, item)...)
			continue
		}
		one, err := gate.ParseEgress(item.text)
		if err != nil {
			f.complain(item.at, "Malformed egress", "%s", sentence(err))
			continue
		}
		all = append(all, one)
	}
	if len(all) > maxEgress {
		f.complain(f.attrs[name].Range, "Too many places", "Egress lists %d places at most, and this comes to %d.", maxEgress, len(all))
	}
	all = all.normal()
	return &all
}

// maxEgress is how many places a pod can be given.
const maxEgress = 256

func (f *fields) places(set string, item literal) reaches {
	found, ok := f.l.places[set]
	switch {
	case f.l.places == nil:
		f.complain(item.at, "Nested places", "A places block names no other one: rules can name both.")
	case !ok:
		f.complain(item.at, "Unknown places", "There is no places block of the name %s.%s", quoted(set), didYouMean(set, slices.Sorted(maps.Keys(f.l.places))))
	}
	return found
}

// readPlaces reads the lists that rules name by "@NAME".
func (l *loader) readPlaces() {
	all := map[string]reaches{}
	for _, block := range l.of("places") {
		name := block.Labels[0]
		if err := gate.CheckName(name); err != nil {
			l.complain(block.LabelRanges[0], "Malformed name", "%s cannot be the name of places: %v.", quoted(name), err)
		}
		f := l.fields(block)
		if of := f.egress("egress"); of != nil {
			all[name] = *of
			if len(*of) == 0 && !f.broken {
				f.complain(f.attrs["egress"].Range, "Empty list", "These are no places: name some.")
			}
		}
	}
	l.places = all
}
