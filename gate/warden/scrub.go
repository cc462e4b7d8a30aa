package warden

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"forkgate/fork"
	"forkgate/gate"
	"forkgate/gate/policy"
	"forkgate/nsjail"
	"forkgate/nsjail/wire"
)

// scrubs are what has to be done to a tree before anybody is in it: nothing to what is production, or has been done already.
func (p *pods) scrubs(t fork.Tree) (rules []wire.Scrub) {
	if t.Grand || t.Settled {
		return nil
	}
	for _, s := range p.rules.Scrubs(t.Repo) {
		rules = append(rules, wire.Scrub{
			Name: s.Name, Files: s.Files, Volumes: s.Volumes, Remove: s.Remove, Empty: s.Empty, Set: s.Set, Generate: s.Generate, Run: s.Run,
		})
	}
	return rules
}

// settled reads what came of scrubbing a fork, and records it. A fork that could not be scrubbed whole is nobody's to enter: why is kept with
// it. started is what came of the pod's start, which has its own reasons to fail.
func (p *pods) settled(t fork.Tree, started error) error {
	done, unread := nsjail.ReadScrubbed(p.runDir, t.GUID)
	why := done.Error
	switch {
	case started != nil && unread != nil:
		return started
	case unread != nil:
		return unread
	case started != nil && why == "":
		return started // it is scrubbed once more at the next start
	}
	if _, err := p.trees.Settle(t.GUID, why); err != nil {
		return err
	}
	what := fmt.Sprintf("scrubbing the fork %s (%s) of %s: %s", t.Ref(), t.GUID, gate.Printable(t.Owner), summary(done))
	if err := p.record(what); err != nil {
		return err
	}
	if why != "" {
		t.Unsettled = why
		return unsettled(t)
	}
	return nil
}

// summary says what was done, and how long it took.
func summary(done wire.Scrubbed) string {
	var steps []string
	for _, s := range done.Steps {
		steps = append(steps, fmt.Sprintf("%s, %d files, %s", gate.Printable(s.Name), s.Files, milliseconds(s.Took)))
	}
	text := strings.Join(steps, "; ")
	if done.Error != "" {
		text += "; it failed: " + gate.Printable(done.Error)
	}
	return text
}

// unsettled is the refusal of a fork that could not be scrubbed. What was in the way may quote what is secret, and is the operator's to see.
func unsettled(t fork.Tree) error {
	return &gate.Refusal{
		Reason: t.Ref() + " is not settled: what has to be taken out of it before anybody is in it could not be",
		Hint:   "the operator finds why with forkgate show " + t.Ref() + ", and tries again with forkgate settle " + t.Ref() + " --again",
	}
}

// settle does what has to be done to a fork before anybody is in it.
func settle(ctx context.Context, w *word) (page, error) {
	again := len(w.args) == 2
	if again && w.args[1] != "--again" {
		return page{}, &gate.Refusal{Reason: "settle takes --again, not " + gate.Printable(w.args[1]), Hint: "ssh gate@host settle REF --again"}
	}
	target, err := w.target(ctx, w.args[0])
	if err != nil {
		return page{}, err
	}
	t, ok := w.trees.Get(target.GUID)
	switch {
	case !ok:
		return page{}, gate.NotFound(gate.Ref{Repo: target.Repo, Tag: target.Tag})
	case t.Grand:
		return page{}, &gate.Refusal{Reason: t.Ref() + " is a grand (production) repository: nothing is taken out of it"}
	case t.Settled, len(w.pods.scrubs(t)) == 0:
		return page{}, &gate.Refusal{Reason: t.Ref() + " is settled", Hint: "ssh gate@host rm " + t.Ref() + ", and make it again"}
	case t.Unsettled != "" && !again:
		return page{}, unsettled(t)
	}
	if err := w.pods.start(ctx, t.GUID); err != nil {
		return page{}, err
	}
	done, err := nsjail.ReadScrubbed(w.pods.runDir, t.GUID)
	if err != nil {
		return page{}, err
	}
	return page{data: done, text: func(out io.Writer) {
		rows := [][]string{{"STEP", "FILES", "TOOK"}}
		for _, s := range done.Steps {
			rows = append(rows, []string{gate.Printable(s.Name), fmt.Sprint(s.Files), milliseconds(s.Took)})
		}
		columns(out, rows...)
		fmt.Fprintf(out, "\n%s is settled\n", t.Ref())
	}}, nil
}

// errUnrecorded is why a fork is not entered of whose scrubbing nobody would know.
var errUnrecorded = errors.New("there is no record to write to")

// Scrubs are what policy has done to the forks of a repository.
func (r *rules) Scrubs(repo string) []policy.Scrub {
	if p := r.has.Load().policy; p != nil {
		return p.Scrubs(repo)
	}
	return nil
}
