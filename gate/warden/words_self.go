package warden

import (
	"context"
	"fmt"
	"io"
	"strings"

	"forkgate/gate"
	"forkgate/gate/provenance"
)

// help lists the control words, or explains one.
func help(_ context.Context, w *word) (page, error) {
	type entry struct {
		Name    string  `json:"name"`
		Args    string  `json:"args,omitempty"`
		Summary string  `json:"summary"`
		Detail  string  `json:"detail,omitempty"`
		Op      gate.Op `json:"op,omitempty"`
	}
	var entries []entry
	for _, v := range gate.Verbs() {
		if len(w.args) == 0 || w.args[0] == v.Name {
			if v.Detail != "" && v.Op == gate.OpApprove && w.asking.Caller.Kind != gate.Human {
				v.Detail = "It is for a person to do.\n"
			}
			entries = append(entries, entry{v.Name, v.Args, v.Summary, v.Detail, v.Op})
		}
	}
	if len(entries) == 0 {
		_, err := understand(w.args)
		return page{}, err
	}
	return page{data: entries, text: func(out io.Writer) {
		rows := make([][]string, len(entries))
		for i, e := range entries {
			rows[i] = []string{e.Name, e.Args, e.Summary}
		}
		columns(out, rows...)
		if len(w.args) == 0 {
			fmt.Fprint(out, "\n--json after any of them prints its answer as JSON; a refusal stays text\n")
			return
		}
		if one := entries[0]; one.Op != "" {
			fmt.Fprintf(out, "\npolicy must permit %s: %s\n", one.Op, one.Op.Meaning())
		}
		if one := entries[0]; one.Detail != "" {
			fmt.Fprintf(out, "\n%s", one.Detail)
		}
	}}, nil
}

// whoami says how the caller is classified and why. An agent hears that it is one, by which kind of evidence, and what it has leave for; what
// gave it away is in the audit log, and so is the chain of processes in which it was seen.
func whoami(_ context.Context, w *word) (page, error) {
	who := w.asking.Caller
	if who.Attested == provenance.ByAgent.String() {
		who.Chain = nil
	}
	data := struct {
		gate.Caller
		Leave []string `json:"leave,omitempty"` // repositories that a person's override names
	}{who, leave(who)}
	return page{data: data, text: func(out io.Writer) {
		kind := "an agent"
		switch {
		case who.Kind == gate.Human:
			kind = "a person"
		case who.Agent != "":
			kind += " (" + gate.Printable(who.Agent) + ")"
		}
		fmt.Fprintf(out, "%s, as %s\nclass %d: %s\n", gate.Printable(who.Principal), kind, who.Class, who.Class)
		for _, e := range who.Evidence {
			fmt.Fprintf(out, "- %s\n", gate.Printable(e))
		}
		if len(data.Leave) > 0 {
			fmt.Fprintf(out, "leave  to enter %s, which a person gave\n", strings.Join(data.Leave, ", "))
		}
		for i, process := range who.Chain {
			label := "     "
			if i == 0 {
				label = "chain"
			}
			fmt.Fprintf(out, "%s  %s\n", label, gate.Printable(process))
		}
	}}, nil
}

// leave lists the repositories that an override in force is for. Of one that counts for nothing whoami keeps quiet: agents ask, too.
func leave(who gate.Caller) []string {
	if who.Kind != gate.Agent || who.Override.Refused != "" {
		return nil
	}
	return who.Override.Repos
}

// explain says what policy would answer the caller, and by which rule.
func explain(ctx context.Context, w *word) (page, error) {
	op := gate.Op(w.args[0])
	if !op.Valid() {
		return page{}, &gate.Refusal{
			Reason: fmt.Sprintf("%.40q is no operation", w.args[0]),
			Hint:   "operations are " + list(gate.Ops()),
		}
	}
	if op.AboutSession() {
		return page{}, &gate.Refusal{Reason: fmt.Sprintf("%s is about somebody's session, and not about a repository alone", op), Hint: "ssh gate@host grants lists what you may approve and take back, ssh gate@host sessions what you may end"}
	}
	ref, err := gate.ParseRef(w.args[1])
	if err != nil {
		return page{}, err
	}
	w.ask.Ref, w.asking.Op, w.asking.Command = ref, op, ""
	target, exists, err := w.gate.Target(ctx, w.ask, w.asking)
	if err != nil {
		return page{}, err
	}
	if op == gate.OpFork && exists { // it is judged with the fork to be, which "fork REF" gives a name of its own
		target = gate.ForkOf(target, w.trees.FreshTag(ref.Repo), w.asking.Caller.Principal)
	}
	w.asking.Target = target
	if !w.gate.Visible(w.asking) {
		return page{}, gate.NotFound(ref)
	}
	decision := w.gate.Judge.Decide(w.asking)
	data := struct {
		Op  gate.Op `json:"op"`
		Ref string  `json:"ref"`
		gate.Decision
	}{op, target.Ref(), decision}
	return page{data: data, text: func(out io.Writer) { printDecision(out, decision) }}, nil
}

func printDecision(out io.Writer, d gate.Decision) {
	rule := "no rule speaks of it"
	if d.Rule != "" {
		rule = fmt.Sprintf("rule %q", d.Rule)
	}
	if d.Where != "" {
		rule += ", " + d.Where
	}
	fmt.Fprintf(out, "%s: %s\n", d.Verdict, gate.Printable(rule))
	if d.Reason != "" {
		fmt.Fprintf(out, "reason: %s\n", gate.Printable(d.Reason))
	}
	if d.Hint != "" {
		fmt.Fprintf(out, "hint: %s\n", gate.Printable(d.Hint))
	}
	if d.Limits != nil {
		fmt.Fprintf(out, "limits: %s\n", d.Limits)
	}
	if d.Record != gate.Unrecorded {
		fmt.Fprintf(out, "recorded: %s\n", d.Record)
	}
	if d.Approval != nil {
		fmt.Fprintf(out, "may be approved: %s\n", d.Approval)
	}
}

func list(ops []gate.Op) string {
	text := ""
	for i, op := range ops {
		if i > 0 {
			text += " "
		}
		text += string(op)
	}
	return text
}
