package policy

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"forkgate/gate"
)

// attribute is one fact of a request that conditions and messages can speak of. Exactly one of the functions is set, and is
// its type.
type attribute struct {
	name    string
	meaning string
	words   *vocabulary // for text and list: what the words are

	text   func(*gate.Request) string
	flag   func(*gate.Request) bool
	number func(*gate.Request) int
	most   int // that it can be, from 0 on
	list   func(*gate.Request) []string
	addr   func(*gate.Request) netip.Addr

	member  bool                  // a list's: see has
	members map[string]*attribute // of a list, those that are spoken of
}

// has makes a fact of its own of whether a list has a word, so that what rules say of it is known to be about one thing.
func (a *attribute) has(word string) *attribute {
	if a.members == nil {
		a.members = map[string]*attribute{}
	}
	if a.members[word] == nil {
		list := a.list
		a.members[word] = &attribute{
			name: a.name + " has " + quoted(word), meaning: a.meaning, member: true,
			flag: func(r *gate.Request) bool { return slices.Contains(list(r), word) },
		}
	}
	return a.members[word]
}

func (a *attribute) typeName() string {
	switch {
	case a.text != nil:
		return "text"
	case a.flag != nil:
		return "true or false"
	case a.number != nil:
		return "a number"
	case a.list != nil:
		return "a list"
	}
	return "an address"
}

// vocabulary is the set of words that an attribute can be. Two attributes compare when they share what their words mean.
type vocabulary struct {
	what  string             // "operation"
	known []string           // every word that a rule may name, sorted, or nil where any word that check passes is one
	more  bool               // requests have values beyond the known ones: the operator is no principal of any file
	empty bool               // the empty text is a value too
	past  []string           // words that there have been
	gone  string             // known words come and go with other blocks, which rules outlive; what it means that one is not there
	check func(string) error // for open vocabularies
}

func (v *vocabulary) knows(word string) bool {
	_, found := slices.BinarySearch(v.known, word)
	return found
}

// reject says why a word can never be a value, with a suggestion; empty where it can.
func (v *vocabulary) reject(word string) string {
	switch {
	case word == "" && v.empty:
		return ""
	case v.check != nil:
		if err := v.check(word); err != nil {
			return fmt.Sprintf("%s is no %s: %v.", quoted(word), v.what, err)
		}
	case v.known != nil && !v.knows(word):
		near := didYouMean(word, v.known)
		if meant := elsewhere[word]; v.what == operation && meant != "" {
			near = fmt.Sprintf(" Did you mean %s?", quoted(meant))
		}
		if near == "" && 0 < len(v.known) && (len(v.known) <= fewWords || v.what == operation) {
			near = " There is " + strings.Join(v.known, ", ") + "."
		}
		return fmt.Sprintf("There is no %s %s.%s", v.what, quoted(word), near)
	}
	return ""
}

// outlived reports whether a word is one that there may have been: that nobody is in a group any more must not keep the policy that says so from
// loading. What looks like a slip of a known word is taken for one.
func (v *vocabulary) outlived(word string) bool {
	return v.gone != "" && gate.CheckName(word) == nil && !v.knows(word) && (slices.Contains(v.past, word) ||
		!slices.ContainsFunc(v.known, func(known string) bool { return slip(word, known) }))
}

// fewWords is how many words a complaint lists, unless it is about operations, of which nobody can guess one.
const fewWords = 8

const operation = "operation"

// all lists every value; nil where that cannot be done.
func (v *vocabulary) all() []string {
	switch {
	case v.more:
		return nil
	case v.known != nil && v.empty:
		return append([]string{""}, v.known...)
	}
	return v.known
}

// Doors that a request can come through.
const (
	DoorSSH      = "ssh"
	DoorSSHD     = "sshd" // the host's own sshd, and forkgate session as its ForceCommand
	DoorOperator = "operator"
)

// maxClass is the best evidence that can be given yet.
const maxClass = gate.ClassPresence

type schema map[string]*attribute

func (s schema) names() []string { return slices.Sorted(maps.Keys(s)) }

// newSchema is what conditions can speak of, given the principals and agents of a policy.
func newSchema(p *Policy) schema {
	closed := func(what string, empty bool, words []string) *vocabulary {
		slices.Sort(words)
		return &vocabulary{what: what, empty: empty, known: append([]string{}, slices.Compact(words)...)}
	}
	var groups, agents, attestors []string
	for _, principal := range p.principals {
		groups = append(groups, principal.Groups...)
	}
	for _, agent := range p.agents {
		agents = append(agents, agent.Name)
	}
	for _, attestor := range p.attestors {
		attestors = append(attestors, attestor.Name)
	}
	principals := slices.Collect(maps.Keys(p.principals))
	name := &vocabulary{what: "repository", check: gate.CheckName}
	tag := &vocabulary{what: "tag", check: gate.CheckName, empty: true}
	ref := &vocabulary{what: "repository", check: checkRef}
	parent := &vocabulary{what: "repository", check: checkRef, empty: true}
	owner, speaker := closed("principal", true, principals), closed("principal", false, principals)
	owner.more, speaker.more = true, true
	owner.gone, speaker.gone = "no key speaks for it", "nobody speaks as it"
	group := closed("group", false, groups)
	group.gone = "nobody is in it"
	owner.past, speaker.past, group.past = p.past, p.past, p.past

	type r = *gate.Request
	s := schema{}
	for _, a := range []*attribute{
		{name: "caller.principal", meaning: "who speaks", words: speaker, text: func(q r) string { return q.Caller.Principal }},
		{name: "caller.kind", meaning: "what speaks", words: closed("kind of caller", false, []string{"agent", "human"}), text: func(q r) string { return q.Caller.Kind.String() }},
		{name: "caller.groups", meaning: "the principal's groups", words: group, list: func(q r) []string { return q.Caller.Groups }},
		{name: "caller.class", meaning: "how good the evidence is: 0 none, 1 hint, 2 key, 3 attested, 4 presence", number: func(q r) int { return int(q.Caller.Class) }, most: int(maxClass)},
		{name: "caller.agent", meaning: "the agent that marks name, or empty", words: closed("agent", true, agents), text: func(q r) string { return q.Caller.Agent }},
		{name: "caller.attestor", meaning: "the workstation whose word there is, or empty", words: closed("attestor", true, attestors), text: func(q r) string { return q.Caller.Attestor }},
		{name: "caller.attested", meaning: "what it says of who is there, or empty", words: closed("verdict of an attestor", true, []string{"person", "agent", "unverified"}), text: func(q r) string { return q.Caller.Attested }},
		{name: "caller.shared", meaning: "an agent for one reason: others may use the person's connection", flag: func(q r) bool { return q.Caller.Shared }},
		{name: "caller.security_key", meaning: "the security key that was touched beside an attestor's word, or empty", words: &vocabulary{what: "security key", check: gate.CheckName, empty: true}, text: func(q r) string { return q.Caller.SecurityKey }},
		{name: "caller.enrolled", meaning: "that key's maker has attested it; only such a one may approve", flag: func(q r) bool { return q.Caller.Enrolled }},
		{name: "override.granted", meaning: "the agent has a person's leave to be in this repository", flag: func(q r) bool { return q.OverrideGranted() }},
		{name: "override.refused", meaning: "why the override that an agent came with counts for nothing here, or empty", words: closed("refusal of an override", true, gate.OverrideRefusals()), text: func(q r) string { return q.OverrideRefused() }},
		{name: "grant.held", meaning: "somebody has approved this session", flag: func(q r) bool { return q.Grant != "" }},
		{name: "op", meaning: "what is asked", words: closed(operation, false, opWords()), text: func(q r) string { return string(q.Op) }},
		{name: "target.repo", meaning: "the repository's name", words: name, text: func(q r) string { return q.Target.Repo }},
		{name: "target.tag", meaning: "the fork's name within it, or empty", words: tag, text: func(q r) string { return q.Target.Tag }},
		{name: "target.ref", meaning: "REPO or REPO:TAG", words: ref, text: func(q r) string { return q.Target.Ref() }},
		{name: "target.grand", meaning: "a production repository", flag: func(q r) bool { return q.Target.Grand }},
		{name: "target.fork", meaning: "a fork, existing or to be made", flag: func(q r) bool { return q.Target.Fork }},
		{name: "target.owner", meaning: "the principal that made the fork", words: owner, text: func(q r) string { return q.Target.Owner }},
		{name: "target.entered", meaning: "an agent has been in its pod", flag: func(q r) bool { return q.Target.Entered }},
		{name: "target.parent", meaning: "what it is a fork of, REPO or REPO:TAG", words: parent, text: func(q r) string { return q.Target.Parent }},
		{name: "target.parent_owner", meaning: "for op fork, the principal that made the parent", words: owner, text: func(q r) string { return q.Target.ParentOwner }},
		{name: "source.ip", meaning: "the caller's address", addr: func(q r) netip.Addr { return q.Source.Unmap().WithZone("") }},
		{name: "door", meaning: "which way it comes: sshd is the host's own, operator root's own socket", words: closed("door", false, []string{DoorSSH, DoorSSHD, DoorOperator}), text: func(q r) string { return q.Door }},
		{name: "request.asker", meaning: "for ops approve, revoke and kill, the principal whose session it is about, or empty", words: owner, text: func(q r) string { return q.Asker }},
		{name: "request.approver", meaning: "for op revoke, the principal that approved it, or empty", words: owner, text: func(q r) string { return q.Approver }},
		{name: "request.host", meaning: "for ops forward-..., the host as the client names it, * where forward-remote listens on every address, or empty", words: &vocabulary{what: "host", empty: true}, text: func(q r) string { return q.Forward.Host }},
		{name: "request.port", meaning: "for ops forward-..., the port, or 0: for forward-remote any that is free", number: func(q r) int { return int(q.Forward.Port) }, most: 65535},
		{name: "request.path", meaning: "for ops forward-unix and forward-remote, the socket's path, or empty", words: &vocabulary{what: "path", empty: true}, text: func(q r) string { return q.Forward.Path }},
		{name: "request.command", meaning: "the command as sent", words: &vocabulary{what: "command", empty: true}, text: func(q r) string { return q.Command }},
	} {
		s[a.name] = a
	}
	return s
}

// checkRef passes what target.ref can be: the canonical form only.
func checkRef(word string) error {
	ref, err := gate.ParseRef(word)
	switch {
	case err != nil:
		return err
	case ref.Fresh:
		return fmt.Errorf("the tag is missing")
	case ref.String() != word:
		return fmt.Errorf("it is written %q here", ref)
	}
	return nil
}
