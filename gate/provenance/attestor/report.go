package attestor

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"forkgate/gate"
	"forkgate/gate/provenance"
	"forkgate/gate/provenance/chain"
)

// Report is what the attestor thinks of a process. whoami prints it.
type Report struct {
	Verdict     provenance.Verdict      `json:"verdict"`
	Agent       string                  `json:"agent,omitempty"`
	Reasons     []string                `json:"reasons"`
	Chain       []provenance.Link       `json:"chain"`
	Protections []provenance.Protection `json:"protections"`
	Override    *provenance.Override    `json:"override,omitempty"`
	Leave       string                  `json:"leave,omitempty"` // of a person alone: see LeaveFrom
}

// judge judges the process that has connected, as it is now.
func (s *server) judge(p peer) Report {
	complete := s.watch.sync()
	processes, err := chain.Walk(s.proc, p.pid)
	if err != nil {
		return reportOf(nil, chain.Unread(err))
	}
	// What happened while the chain was read counts as well, and the memory must speak of the processes that were read.
	rules := s.in.Load().rules
	rules.Protections = s.settings.held()
	if complete && s.watch.sync() {
		rules.Protections = append(rules.Protections, provenance.Events)
	}
	judgement := chain.Judge(processes, rules, s.watch)
	for _, process := range processes {
		if !chain.Same(s.proc, process) {
			return reportOf(processes, chain.Unread(fmt.Errorf("process %d changed while it was judged", process.PID)))
		}
	}
	if !p.lives() || processes[0].UID() != p.uid {
		return reportOf(processes, chain.Unread(fmt.Errorf("process %d is not the one that has connected", p.pid)))
	}
	return reportOf(processes, judgement)
}

func reportOf(processes []chain.Process, j chain.Judgement) Report {
	r := Report{Verdict: j.Verdict, Agent: j.Agent, Reasons: j.Reasons, Protections: j.Protections, Override: j.Override, Chain: []provenance.Link{}}
	for _, p := range processes {
		r.Chain = append(r.Chain, provenance.Link{PID: p.PID, Start: p.Start, UID: p.UID(), Name: p.Comm})
	}
	if r.Protections == nil {
		r.Protections = []provenance.Protection{}
	}
	return r
}

// statement turns it into what a certificate carries. Of a process that has gone there is no chain, and nothing to state.
func (r Report) statement(uid uint32) provenance.Statement {
	return provenance.Statement{
		Verdict: r.Verdict, Agent: r.Agent, Reasons: r.Reasons, UID: uid, Chain: r.Chain, Protections: r.Protections, Override: r.Override,
	}
}

// LeaveFrom says, to a person alone, what leave an agent would have that is started with this environment: a value that counts for nothing
// looks like one that does, and so does one that stands in some file that every shell reads. Empty: none is asked for.
func (r Report) LeaveFrom(environ []string) string {
	const none = "an agent started here would have none: "
	var values []string
	for _, entry := range environ {
		if value, ok := strings.CutPrefix(entry, provenance.OverrideVariable+"="); ok {
			values = append(values, value)
		}
	}
	if len(values) == 0 || r.Verdict != provenance.ByPerson {
		return ""
	}
	names, err := provenance.OverrideNames(values[0])
	switch {
	case err != nil:
		return none + err.Error()
	case len(values) > 1:
		return none + "there are two lists of repositories"
	}
	for _, p := range []provenance.Protection{provenance.NoTIOCSTI, provenance.Events} { // as chain has it of the real one
		if !slices.Contains(r.Protections, p) {
			return none + "this workstation does not have the protection " + string(p)
		}
	}
	return "an agent started here would have leave for " + strings.Join(names, ", ") + ", if this workstation knows its program by name and not by variables alone"
}

// String is the report for people. What an override is, and whether there is one, it keeps to itself: agents read this too. Leave is a
// person's to read.
func (r Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "verdict      %s\n", r.Verdict)
	if r.Agent != "" {
		fmt.Fprintf(&b, "agent        %s\n", gate.Printable(r.Agent))
	}
	label := "because"
	for _, reason := range r.Reasons {
		fmt.Fprintf(&b, "%-12s %s\n", label, gate.Printable(reason))
		label = ""
	}
	label = "chain"
	for _, l := range r.Chain {
		fmt.Fprintf(&b, "%-12s %7d  uid %-6d %s\n", label, l.PID, l.UID, gate.Printable(l.Name))
		label = ""
	}
	for _, p := range provenance.Protections() {
		word := "no"
		if slices.Contains(r.Protections, p) {
			word = "yes"
		}
		fmt.Fprintf(&b, "%-12s %s\n", p, word)
	}
	if r.Leave != "" {
		fmt.Fprintf(&b, "%-12s %s\n", "leave", gate.Printable(r.Leave))
	}
	return b.String()
}

// namespacesOf are those of a process.
func namespacesOf(proc fs.FS, pid int) (chain.Namespaces, error) {
	p, err := chain.Read(proc, pid)
	return p.Namespaces, err
}
