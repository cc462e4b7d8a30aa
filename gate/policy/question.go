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
	Forward     gate.Destination // for ops forward-...

	Attested        string   // what an attestor says of the caller: person, agent, unverified; empty where none speaks
	Override        []string // repositories that an agent has a person's leave for; an attestor then speaks, if nothing else is said
	OverrideRefused string   // why an override counts for nothing, one of gate.OverrideRefusals
	Shared          bool     // others may use the person's connection
	Touch           string   // name of the security key that the person touched; an attestor then speaks of a person
	Enrolled        bool     // that key is enrolled; else it is marked

	Granted  bool   // the session has a grant
	Asker    string // for ops approve and revoke: whose session it is about
	Approver string // for op revoke: who approved it
	Entered  bool   // an agent has been there
}

// Request makes a question a request. A principal without a word for its kind speaks with a key and no mark beside it, or is what its
// attestor says. The error is a *gate.Refusal that says which word is wrong.
func (p *Policy) Request(q Question) (gate.Request, error) {
	if len(q.Override) > 0 && q.Attested == "" {
		q.Attested = provenance.ByAgent.String()
	}
	if q.Touch != "" && q.Attested == "" {
		q.Attested = provenance.ByPerson.String()
	}
	if err := p.checkWords(q); err != nil {
		return gate.Request{}, err
	}
	caller, err := p.speaker(q.Caller)
	if err != nil {
		return gate.Request{}, err
	}
	if caller, err = q.attest(caller); err != nil {
		return gate.Request{}, err
	}
	if caller, err = q.touched(caller); err != nil {
		return gate.Request{}, err
	}
	return requestOf(caller, q)
}

// touched adds what a security key adds to the word of an attestor.
func (q Question) touched(c gate.Caller) (gate.Caller, error) {
	switch {
	case q.Touch == "" && q.Enrolled:
		return c, refuse("A key that is enrolled has a name.", "--touch NAME --enrolled")
	case q.Touch == "":
		return c, nil
	case c.Kind != gate.Human || c.Class != gate.ClassAttested:
		return c, refuse("A touch counts of attested people alone.", callers)
	}
	c.Class, c.SecurityKey, c.Enrolled = gate.ClassPresence, q.Touch, q.Enrolled
	return c, nil
}

// checkWords refuses words that no request has.
func (p *Policy) checkWords(q Question) error {
	words := newSchema(p)
	if reason := words["op"].words.reject(q.Op); reason != "" {
		return refuse(reason, "forkgate policy explain --help lists them")
	}
	if err := q.checkAbout(); err != nil {
		return err
	}
	for _, name := range []string{q.Touch, q.Asker, q.Approver} {
		if err := gate.CheckName(name); name != "" && err != nil {
			return refuse(quoted(name)+" cannot be a name: "+err.Error(), callers)
		}
	}
	for _, repo := range q.Override {
		if reason := words["target.repo"].words.reject(repo); reason != "" {
			return refuse(reason, "an override names repositories, and each exactly")
		}
	}
	for _, said := range []struct{ attribute, word, hint string }{
		{"caller.attested", q.Attested, "what an attestor says is person, agent or unverified"},
		{"override.refused", q.OverrideRefused, "it is one of " + strings.Join(gate.OverrideRefusals(), ", ")},
	} {
		if reason := words[said.attribute].words.reject(said.word); reason != "" {
			return refuse(reason, said.hint)
		}
	}
	return nil
}

// checkAbout has a question be about somebody's session where its op is, and nowhere else.
func (q Question) checkAbout() error {
	about := gate.Op(q.Op).AboutSession()
	switch {
	case !about && q.Asker != "":
		return refuse(q.Op+" is about nobody else's session: it takes no asker.", "--asker goes with op approve, revoke or kill")
	case about && q.Asker == "":
		return refuse(q.Op+" is about somebody's session: it takes --asker PRINCIPAL, and the repository or fork where that is, or wants to be.", "--approver as well, to revoke what somebody has approved")
	case about && q.Target == "":
		return refuse(q.Op+" takes a REF, which is missing: the repository or fork where the session of "+q.Asker+" is, or wants to be.", "forkgate policy explain CALLER "+q.Op+" REF --asker "+q.Asker)
	}
	return nil
}

// attest adds what an attestor says of a caller, and what the connection and an override come to.
func (q Question) attest(c gate.Caller) (gate.Caller, error) {
	_, _, stated := strings.Cut(q.Caller, ":")
	person := q.Attested == provenance.ByPerson.String()
	if q.Attested != "" {
		c.Class, c.Attested = gate.ClassAttested, q.Attested
		if !stated && person {
			c.Kind = gate.Human
		} else if !stated {
			c.Kind = gate.Agent
		}
	}
	c.Shared, c.Override = q.Shared, gate.Override{Repos: q.Override, Refused: q.OverrideRefused}
	switch {
	case c.Kind != gate.Human:
		return c, nil
	case q.Attested != "" && !person:
		return c, refuse("An attestor that says "+q.Attested+" makes nobody a person.", callers)
	case len(q.Override) > 0 || q.OverrideRefused != "":
		return c, refuse("An override is an agent's.", callers)
	case q.Shared && !stated:
		c.Kind = gate.Agent // what others may use as well is nobody's proof
	case q.Shared:
		return c, refuse("A connection that others may use makes nobody a person.", callers)
	}
	return c, nil
}

// requestOf fills in what a question leaves out.
func requestOf(caller gate.Caller, q Question) (gate.Request, error) {
	r := gate.Request{Caller: caller, Op: gate.Op(q.Op), Source: q.Source, Door: cmp.Or(q.Door, DoorSSH), Command: q.Command, Forward: q.Forward}
	r.Asker, r.Approver = q.Asker, q.Approver
	if q.Granted {
		r.Grant = "of a question"
	}
	if q.Target == "" {
		return r, nil
	}
	ref, err := gate.ParseRef(q.Target)
	if err != nil {
		return gate.Request{}, err
	}
	if r.Op == gate.OpFork && !ref.IsFork() {
		ref.Tag = "new" // it is judged with the fork to be
	}
	r.Target = gate.Target{Repo: ref.Repo, Tag: ref.Tag, Grand: !ref.IsFork()}
	if ref.IsFork() {
		r.Target = gate.ForkOf(gate.Target{Repo: ref.Repo}, ref.Tag, cmp.Or(q.Owner, caller.Principal))
		r.Target.Parent, r.Target.ParentOwner = cmp.Or(q.Parent, r.Target.Parent), q.ParentOwner
	}
	r.Target.Entered = q.Entered
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
