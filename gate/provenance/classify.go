package provenance

import (
	"fmt"
	"slices"
	"strings"

	"forkgate/gate"
)

// Principal is what the operator has said about a person or service.
type Principal struct {
	Name    string   `json:"name"`
	Groups  []string `json:"groups,omitempty"`
	Vouched bool     `json:"vouched"` // the operator vouches that no agent reaches any of its keys

	// Accounts are those of the host that it may speak by, when the host's own sshd has let one of its keys in there.
	Accounts []string `json:"accounts,omitempty"`
}

// Classify says who speaks. A person is who is attested to be one, or a vouched principal's key, without a mark of an agent beside it,
// on a connection that nobody else can use; everything else, and whatever is malformed or contradicts itself, is an agent.
func Classify(agents []Agent, attestors []Attestor, principal Principal, e gate.Evidence) gate.Caller {
	caller := gate.Caller{Principal: e.Principal, Kind: gate.Agent, Class: gate.ClassNone, Key: e.Key}
	say := func(sentence string) {
		if !slices.Contains(caller.Evidence, sentence) {
			caller.Evidence = append(caller.Evidence, sentence)
		}
	}
	attested, person := readProof(&caller, attestors, principal, e, say)
	signs, wellFormed := readHints(&caller, agents, e.Env, say)
	if len(signs) > 0 {
		caller.Class = max(caller.Class, gate.ClassHint)
	}
	if strongest, ok := decisive(signs); ok {
		caller.Agent = strongest.agent
		person = false
	}
	if person && wellFormed {
		caller.Shared = shareable(e)
		if caller.Shared {
			say("others may use this connection as well: a person's has ControlMaster no and ControlPath none in ssh_config")
		} else {
			caller.Kind = gate.Human
		}
	}
	if attested != nil {
		readTouch(&caller, e, say)
	}
	caller.Override = overrideOf(attested, e)
	return caller
}

// readProof takes what signed the connection, and reports whether it speaks for a person. attested is nil for an ordinary key.
func readProof(caller *gate.Caller, attestors []Attestor, principal Principal, e gate.Evidence, say func(string)) (attested *Attested, person bool) {
	if e.Attestor == "" {
		person = readKey(caller, principal, e, say)
		if caller.Class == gate.ClassKey && principal.Name == e.Principal {
			sayMissing(attestors, e.Principal, say)
		}
		return nil, person
	}
	a, err := believe(attestors, e)
	switch {
	case err != nil:
		say("policy does not take that attestor's word any more")
		caller.Principal = "" // nobody: the connection outlives what let it in
		return nil, false
	case principal.Name != e.Principal || e.Principal == "":
		say("no policy speaks of principal " + gate.Printable(e.Principal))
		caller.Principal = ""
		return nil, false
	}
	caller.Groups = slices.Clone(principal.Groups)
	return &a, readAttestation(caller, a, e, say)
}

// readKey takes what the key says, and reports whether it speaks for a person.
func readKey(caller *gate.Caller, principal Principal, e gate.Evidence, say func(string)) (person bool) {
	if e.Key == "" {
		say("no key signed this connection")
	} else {
		caller.Class = gate.ClassKey
		say("key " + gate.Printable(e.Key) + " signed this connection")
		if e.SecurityKey {
			say("it is a security key, and was touched: without an attestor nothing shows by whom, or for what")
		}
	}
	name := gate.Printable(e.Principal)
	switch {
	case e.Principal == "":
		say("no principal is named")
	case principal.Name != e.Principal:
		say("no policy speaks of principal " + name)
	case e.Authority != "":
		caller.Groups = slices.Clone(principal.Groups)
		readAuthority(principal, e, say)
	case !principal.Vouched:
		caller.Groups = slices.Clone(principal.Groups)
		say("principal " + name + " is not vouched by the operator")
	default:
		caller.Groups = slices.Clone(principal.Groups)
		say("principal " + name + " is vouched by the operator")
		return e.Key != ""
	}
	return false
}

// readHints finds the marks of agents among NAME=VALUE entries, and reports whether all of them are such entries.
func readHints(caller *gate.Caller, agents []Agent, env []string, say func(string)) (signs []sign, wellFormed bool) {
	wellFormed = true
	for _, entry := range env {
		name, value, ok := strings.Cut(entry, "=")
		if !ok || !isVariable(name) || strings.ContainsRune(value, 0) {
			wellFormed = false
			say(fmt.Sprintf("the client sent a malformed variable, %.40q", entry))
			continue
		}
		if s, found := read(agents, name, value); found {
			signs = append(signs, s)
			if s.mixed {
				say(s.String())
				continue
			}
			say("a variable that the client sent is a mark of " + gate.Printable(s.agent))
			caller.Mark(s.String())
		}
	}
	return signs, wellFormed
}

// decisive is the strongest sign, unless only mixed ones are there.
func decisive(signs []sign) (best sign, ok bool) {
	for _, s := range signs {
		if !s.mixed && (!ok || s.stronger(best)) {
			best, ok = s, true
		}
	}
	return best, ok
}
