package policy

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"forkgate/gate"
)

// A test block is a request and what the policy has to answer. All of them run at each load: a policy that fails its own
// tests is not loaded.

var testSchema = &hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{{Type: "request"}, {Type: "expect"}}}

func (l *loader) runTests() {
	for _, block := range l.of("test") {
		content, diags := block.Body.Content(testSchema)
		l.diags = append(l.diags, l.displaced(diags, "test")...)
		if diags.HasErrors() {
			continue
		}
		requests, expects := content.Blocks.OfType("request"), content.Blocks.OfType("expect")
		if len(requests) != 1 || len(expects) != 1 {
			l.complain(block.DefRange, "Malformed test", "A test has one request and one expect block.")
			continue
		}
		l.runTest(block, requests[0], expects[0])
	}
}

func (l *loader) runTest(block, request, expect *hcl.Block) {
	r, ok := l.readRequest(request)
	want, alsoOK := l.readExpectation(expect)
	if !ok || !alsoOK {
		return
	}
	l.policy.summary.Tests++
	got := l.policy.Decide(r)
	// While nobody is to come in, that holds whatever tests expect: it must not fail to load because of them.
	trial := Trial{Name: block.Labels[0], Where: place(block.DefRange), Passed: want.met(got) || l.policy.lockdown(got.Rule)}
	if !trial.Passed {
		e := l.policy.Explain(r)
		trial.Answer = want.against(got, l.policy) + want.remark(e, l.policy) + "\n" + strings.TrimSpace(e.String())
		l.complain(block.DefRange, "Test failed", "Test %q expects another answer.\n%s", trial.Name, trial.Answer)
	}
	l.policy.trials = append(l.policy.trials, trial)
}

// Trial is what came of a test block.
type Trial struct {
	Name   string `json:"name"`
	Where  string `json:"where"` // FILE:LINE
	Passed bool   `json:"passed"`
	Answer string `json:"answer,omitempty"` // of one that failed: what was wanted, and what the policy says of the request, explained
}

// Trials lists the test blocks in the order of the files; all of them passed, or the policy would not have loaded.
func (p *Policy) Trials() []Trial { return slices.Clone(p.trials) }

// Trials lists the test blocks that were run: none where something else is wrong.
func (e *LoadError) Trials() []Trial { return slices.Clone(e.trials) }

// readRequest reads a request block. Its caller need be no principal of any file: rules can be tested before anybody is.
func (l *loader) readRequest(block *hcl.Block) (gate.Request, bool) {
	f := l.fields(block)
	caller, op, target := f.text("caller"), f.text("op"), f.text("target")
	if f.broken {
		return gate.Request{}, false
	}
	if err := gate.CheckName(caller.text); err != nil {
		f.complain(caller.at, "Malformed name", "%q cannot be a principal: %v.", caller.text, err)
		return gate.Request{}, false
	}
	words := newSchema(l.policy)
	f.among(words["op"].words, op)
	q := Question{
		Caller: caller.text, Op: op.text, Target: target.text, Command: f.text("command").text, Door: DoorSSH,
		Owner: f.text("owner").text, Parent: f.text("parent").text, ParentOwner: f.text("parent_owner").text,
		Forward: gate.Destination{Host: f.text("host").text, Port: uint16(f.number("port", 1, 65535)), Path: f.text("path").text},
	}
	if door := f.text("door"); f.has("door") && f.among(words["door"].words, door) {
		q.Door = door.text
	}
	if source := f.text("source"); f.has("source") {
		address, err := netip.ParseAddr(source.text)
		if err != nil {
			f.complain(source.at, "Malformed address", "%s is no IP address.", quoted(source.text))
		}
		q.Source = address
	}
	who := gate.Caller{Principal: q.Caller, Class: gate.ClassKey, Groups: f.texts("groups")}
	if kind := f.text("kind"); f.among(words["caller.kind"].words, kind) {
		who.Kind.UnmarshalText([]byte(kind.text))
	}
	f.provenance(&who, words)
	r, err := requestOf(who, q)
	if err != nil {
		f.complain(target.at, "Malformed ref", "%v.", err)
	}
	f.approval(&r)
	return r, !f.broken
}

// approval reads what a test says of a grant that its session holds, or that it approves or takes back, and of who has been there.
func (f *fields) approval(r *gate.Request) {
	r.Target.Entered = f.flag("entered")
	if f.flag("granted") {
		r.Grant = "of a test"
	}
	for _, one := range []struct {
		name string
		fact *string
	}{{"asker", &r.Asker}, {"approver", &r.Approver}} {
		name := f.text(one.name)
		if err := gate.CheckName(name.text); f.has(one.name) && err != nil {
			f.complain(name.at, "Malformed name", "%s cannot be a principal: %v.", quoted(name.text), err)
		}
		*one.fact = name.text
	}
}

// provenance reads what an attestor says of the caller of a test. override lists the repositories that an agent has leave for.
func (f *fields) provenance(who *gate.Caller, words schema) {
	if attested := f.text("attested"); f.has("attested") && f.among(words["caller.attested"].words, attested) {
		who.Attested = attested.text
		if attested.text != "" {
			who.Class = gate.ClassAttested
		}
	}
	who.Shared = f.flag("shared")
	f.touched(who, words)
	for _, name := range f.list("override") {
		if f.among(words["target.repo"].words, name) {
			who.Override.Repos = append(who.Override.Repos, name.text)
		}
	}
	if why := f.text("override_refused"); f.has("override_refused") && f.among(words["override.refused"].words, why) {
		who.Override.Refused = why.text
	}
}

// touched reads which security key the caller of a test touched. That is worth something beside the word of an attestor, of a person.
func (f *fields) touched(who *gate.Caller, words schema) {
	key := f.text("security_key")
	if who.Enrolled = f.flag("enrolled"); key.text == "" {
		if who.Enrolled {
			f.complain(f.attrs["enrolled"].Range, "No security key", "A key that is enrolled has a name: security_key = \"NAME\".")
		}
		return
	}
	f.among(words["caller.security_key"].words, key)
	if who.Class != gate.ClassAttested || who.Kind != gate.Human {
		f.complain(key.at, "A touch of nobody", "A touch counts of attested people alone: kind = \"human\" and attested = \"person\".")
	}
	who.Class, who.SecurityKey = gate.ClassPresence, key.text
}

// among checks that a text is a word of the vocabulary.
func (f *fields) among(words *vocabulary, l literal) bool {
	reason := words.reject(l.text)
	if reason != "" {
		f.complain(l.at, "Unknown word", "%s", reason)
	}
	return reason == ""
}
