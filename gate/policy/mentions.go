package policy

import (
	"iter"
	"maps"
	"net/netip"
	"slices"
)

// mention is what a condition says of a fact: the values that make a difference to it, and the patterns.
type mention struct {
	values   []value
	patterns []pattern
}

func (m mention) with(values ...value) mention {
	for _, v := range values {
		if !slices.Contains(m.values, v) {
			m.values = append(slices.Clip(m.values), v)
		}
	}
	return m
}

func (m mention) fitting(patterns ...pattern) mention {
	for _, p := range patterns {
		if !slices.Contains(m.patterns, p) {
			m.patterns = append(slices.Clip(m.patterns), p)
		}
	}
	return m
}

// mentions collects what a condition says of each attribute that it speaks of.
type mentions map[*attribute]mention

// add notes words that a text attribute is compared with.
func (m mentions) add(a *attribute, words ...string) {
	was := m[a]
	for _, word := range words {
		was = was.with(value{text: word})
	}
	m[a] = was
}

// number notes that a number is compared with n: what lies beside it makes a difference as well.
func (m mentions) number(a *attribute, n int) {
	for _, beside := range []int{0, n - 1, n, n + 1, a.most} {
		if 0 <= beside && beside <= a.most {
			m[a] = m[a].with(value{number: beside})
		}
	}
}

// network notes that an address is looked for in a network. Where one begins, and behind its end, is an address of every set of them that
// some address is in. Whether a forbid keeps out all that a permit lets in, a request without one makes no difference to: that permit
// matches then only what it matches from everywhere, and the forbid all that it matches from anywhere.
func (m mentions) network(a *attribute, network netip.Prefix) {
	m[a] = m[a].with(value{addr: netip.IPv4Unspecified()}, value{addr: netip.IPv6Unspecified()}, value{addr: network.Addr()})
	if behind := lastOf(network).Next(); behind.IsValid() {
		m[a] = m[a].with(value{addr: behind})
	}
}

// lacking adds that there is no address, where one is spoken of.
func (m mentions) lacking() mentions {
	all := maps.Clone(m)
	for a, said := range m {
		if a.addr != nil {
			all[a] = said.with(value{})
		}
	}
	return all
}

func lastOf(network netip.Prefix) netip.Addr {
	last := network.Addr().AsSlice()
	for bit := network.Bits(); bit < len(last)*8; bit++ {
		last[bit/8] |= 0x80 >> (bit % 8)
	}
	addr, _ := netip.AddrFromSlice(last)
	return addr
}

// with is what both speak of.
func (m mentions) with(other mentions) mentions {
	both := maps.Clone(m)
	for a, said := range other {
		both[a] = both[a].with(said.values...).fitting(said.patterns...)
	}
	return both
}

// values are all that make a difference, with what is not named.
func (m mentions) values(a *attribute) iter.Seq[value] {
	switch {
	case a.flag != nil:
		return slices.Values([]value{{flag: false}, {flag: true}})
	case a.number != nil, a.addr != nil, m.complete(a):
		return slices.Values(m[a].values)
	}
	return m[a].texts()
}

// complete says that every word which there is for an attribute is named.
func (m mentions) complete(a *attribute) bool {
	all := a.words.all()
	return all != nil && len(m[a].values) >= len(all)
}

// most is how many values there are at most.
func (m mentions) most(a *attribute) int {
	said := m[a]
	switch {
	case a.flag != nil:
		return 2
	case a.number != nil, a.addr != nil, m.complete(a):
		return len(said.values)
	}
	return 1 + len(said.values) + len(said.patterns) + 1<<min(len(said.patterns), maxTogether)
}

// texts are the values of a text fact that make a difference: none, those that are named, one for each pattern, which is soon tried, and
// what is not named, by the patterns that it fits.
func (m mention) texts() iter.Seq[value] {
	return func(yield func(value) bool) {
		known := slices.Clip(m.with(value{}).values)
		for _, p := range m.patterns {
			known = append(known, value{text: p.sample("\x00")})
		}
		for _, v := range known {
			if !yield(v) {
				return
			}
		}
		for _, v := range m.others() {
			if !yield(v) {
				return
			}
		}
	}
}

// others is what is not named, by the patterns that it fits. Words that are too many to be run beside the patterns are not left out.
func (m mention) others() (values []value) {
	together := slices.Clone(m.patterns)
	if len(together)+len(m.values) <= maxTogether {
		for _, v := range m.values {
			together = append(together, pattern{v.text, word})
		}
	}
	found, all := classes(together)
	if !all {
		return []value{{other: true}}
	}
	for i, c := range found {
		if !slices.ContainsFunc(c.fitting, func(p pattern) bool { return p.form == word }) {
			values = append(values, value{other: true, like: &found[i]})
		}
	}
	return values
}
