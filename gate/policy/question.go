package policy

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"forkgate/gate"
	"forkgate/gate/provenance"
)

// Question is a request in the words of a person who wants to know what policy says: of `forkgate policy explain` and of test
// blocks. Only Caller and Op must be given.
type Question struct {
	Caller  string // PRINCIPAL, agent:PRINCIPAL or human:PRINCIPAL
	Op      string
	Target  string // a ref
	Owner   string // of a fork; the caller where it is left out
	Parent  string // of a fork; the repository where it is left out
	Door    string // ssh where it is left out
	Source  netip.Addr
	Command string

	ParentOwner string
}

// Request makes a question a request. A principal without a word for its kind speaks with a key and no mark beside it. The
// error is a *gate.Refusal that says which word is wrong.
func (p *Policy) Request(q Question) (gate.Request, error) {
	caller, err := p.speaker(q.Caller)
	if err != nil {
		return gate.Request{}, err
	}
	words := vocabulary{what: "operation", known: opWords()}
	if reason := words.reject(q.Op); reason != "" {
		return gate.Request{}, refuse(reason, "forkgate policy explain --help lists them")
	}
	return requestOf(caller, q)
}

// requestOf fills in what a question leaves out.
func requestOf(caller gate.Caller, q Question) (gate.Request, error) {
	r := gate.Request{Caller: caller, Op: gate.Op(q.Op), Source: q.Source, Door: cmp.Or(q.Door, DoorSSH), Command: q.Command}
	if q.Target == "" {
		return r, nil
	}
	ref, err := gate.ParseRef(q.Target)
	if err != nil {
		return gate.Request{}, err
	}
	r.Target = gate.Target{Repo: ref.Repo, Tag: ref.Tag, Grand: !ref.IsFork()}
	if ref.IsFork() {
		r.Target = gate.ForkOf(gate.Target{Repo: ref.Repo}, ref.Tag, cmp.Or(q.Owner, caller.Principal))
		r.Target.Parent, r.Target.ParentOwner = cmp.Or(q.Parent, r.Target.Parent), q.ParentOwner
	}
	return r, nil
}

const callers = "a caller is PRINCIPAL, agent:PRINCIPAL or human:PRINCIPAL"

// speaker reads PRINCIPAL, agent:PRINCIPAL or human:PRINCIPAL.
func (p *Policy) speaker(s string) (gate.Caller, error) {
	word, name, ok := strings.Cut(s, ":")
	if !ok {
		word, name = "", s
	}
	principal, known := p.principals[name]
	if !known {
		names := slices.Sorted(maps.Keys(p.principals))
		return gate.Caller{}, refuse("There is no principal "+quoted(name)+"."+didYouMean(name, names), callers)
	}
	caller := provenance.Classify(p.agents, p.attestors, principal, gate.Evidence{Principal: name, Key: "of " + name})
	caller.Key, caller.Evidence = "", nil
	if word != "" {
		if err := caller.Kind.UnmarshalText([]byte(word)); err != nil {
			return gate.Caller{}, refuse(err.Error(), callers)
		}
	}
	return caller, nil
}

// refuse makes a complaint, which is a sentence, a refusal, which is none.
func refuse(sentence, hint string) error {
	reason := strings.TrimSuffix(sentence, ".")
	return &gate.Refusal{Reason: strings.ToLower(reason[:1]) + reason[1:], Hint: hint}
}

func opWords() []string {
	var words []string
	for _, op := range gate.Ops() {
		words = append(words, string(op))
	}
	return words
}
