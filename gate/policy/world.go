package policy

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"forkgate/gate"
)

// world is a request of which only some facts are known: attribute name to value. It serves to find, at load, conditions that
// can never match, and the slots of the index in which a rule has to be looked at.
type world map[string]value

// value is one known fact. other stands for any text that the rule does not name, of which may be known what patterns it fits.
type value struct {
	text   string
	other  bool
	like   *class
	flag   bool
	number int
	addr   netip.Addr
}

// answer is what a condition says of a world.
type answer int8

const (
	no answer = iota
	maybe
	yes
)

func sure(b bool) answer {
	if b {
		return yes
	}
	return no
}

func (c constant) guess(world) answer { return sure(bool(c)) }
func (c not) guess(w world) answer    { return yes - c.of.guess(w) }
func (c and) guess(w world) answer    { return min(c.a.guess(w), c.b.guess(w)) }
func (c or) guess(w world) answer     { return max(c.a.guess(w), c.b.guess(w)) }

func (c flagIs) guess(w world) answer {
	if v, known := w[c.attr.name]; known {
		return sure(v.flag)
	}
	return maybe
}

func (c textIn) guess(w world) answer {
	if v, known := w[c.attr.name]; known {
		return sure(!v.other && slices.Contains(c.words, v.text))
	}
	return maybe
}

func (c textFits) guess(w world) answer {
	v, known := w[c.attr.name]
	switch {
	case !known || v.other && !v.like.tells(c.pattern):
		return maybe
	case v.other:
		return sure(slices.Contains(v.like.fitting, c.pattern))
	}
	return sure(c.fits(v.text))
}

func (c numberIs) guess(w world) answer {
	if v, known := w[c.attr.name]; known {
		return sure(c.is(v.number))
	}
	return maybe
}

func (c within) guess(w world) answer {
	if v, known := w[c.attr.name]; known && v.addr.IsValid() {
		return sure(c.has(v.addr))
	}
	return maybe // where there is none, a permit does not match, and a forbid does
}

func (c sameText) guess(world) answer { return maybe }

// canMatch looks for a request that the condition may match. It never calls a condition dead that is not: a forbid may be about requests without an
// address.
func canMatch(c condition, m mentions, forbids bool) bool {
	if forbids {
		m = m.lacking()
	}
	return m.search(func(w world) bool { return c.guess(w) != no }) != nil
}

// aboutForks says what a fork is judged by, where a condition speaks of op fork: that it is the fork to be is what nobody expects.
func (m mentions) aboutForks() string {
	for a, said := range m {
		if a.name == "op" && slices.Contains(said.values, value{text: string(gate.OpFork)}) {
			return " Op fork is judged with the fork to be as its target: target.repo is its repository, target.parent what it is made of."
		}
	}
	return ""
}

// maxWorlds bounds a search; facts beyond it count as unknown.
const maxWorlds = 20_000

// search finds a world that is as wanted, among all values of the attributes that are mentioned; nil if there is none. What is not wanted of a
// world must not be so when more of it is known: then nothing below is looked at.
func (m mentions) search(wanted func(world) bool) world {
	attrs := slices.SortedFunc(maps.Keys(m), func(a, b *attribute) int { // members last: a rule may name many, and they settle least
		return cmp.Or(cmp.Compare(btoi(a.member), btoi(b.member)), cmp.Compare(m.most(a), m.most(b)), cmp.Compare(a.name, b.name))
	})
	worlds := 1
	for i, a := range attrs {
		if worlds *= m.most(a); worlds > maxWorlds {
			attrs = attrs[:i]
			break
		}
	}
	w := world{}
	var try func(rest []*attribute) bool
	try = func(rest []*attribute) bool {
		if !possible(w) || !wanted(w) {
			return false
		}
		if len(rest) == 0 {
			return true
		}
		for v := range m.values(rest[0]) {
			w[rest[0].name] = v
			if try(rest[1:]) {
				return true
			}
		}
		delete(w, rest[0].name)
		return false
	}
	if !try(attrs) {
		return nil
	}
	return w
}

// possible leaves out worlds that no request is: nothing is a repository and a fork at once, an override opens repositories, to
// agents, presence is a person's, and at sshd's door nobody is a person.
func possible(w world) bool {
	class, graded := w["caller.class"]
	if graded && (class.number == int(gate.ClassPresence) && w["caller.kind"].text == gate.Agent.String() ||
		class.number < int(gate.ClassPresence) && w["caller.enrolled"].flag) {
		return false
	}
	grand, known := w["target.grand"]
	kind := w["caller.kind"]
	return namesAgree(w) && opAgrees(w) && !(grand.flag && w["target.fork"].flag) &&
		!(w["door"].text == DoorSSHD && kind.text == gate.Human.String()) &&
		!(w["override.granted"].flag && (w["target.fork"].flag || known && !grand.flag || kind.text == gate.Human.String()))
}

// namesAgree has what is known of a target's name be that of what it is: a fork's has a tag, and a repository's none.
func namesAgree(w world) bool {
	var fork, grand bool // by its name
	if tag, known := w["target.tag"]; known {
		fork = tag.other || tag.text != ""
		grand = !fork
	}
	if ref, known := w["target.ref"]; known && !ref.other {
		byRef := strings.Contains(ref.text, ":")
		fork, grand = fork || byRef, grand || !byRef
	}
	return !(fork && (grand || w["target.grand"].flag) || grand && w["target.fork"].flag)
}

// opAgrees has what is known of a request be what its operation has: a fork to be as its target, or a destination.
func opAgrees(w world) bool {
	op, known := w["op"]
	if !known || op.other {
		return true
	}
	if gate.Op(op.text) == gate.OpFork {
		ref, named := w["target.ref"]
		tag, tagged := w["target.tag"]
		if w["target.grand"].flag || tagged && !tag.other && tag.text == "" || named && !ref.other && !strings.Contains(ref.text, ":") {
			return false
		}
	}
	has := func(name string) bool { v := w[name]; return v.other || v.text != "" || v.number != 0 }
	ports := slices.Contains([]gate.Op{gate.OpForwardLocal, gate.OpForwardRemote}, gate.Op(op.text))
	sockets := slices.Contains([]gate.Op{gate.OpForwardUnix, gate.OpForwardRemote}, gate.Op(op.text))
	return (ports || !has("request.host") && !has("request.port")) && (sockets || !has("request.path"))
}
