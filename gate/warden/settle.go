package warden

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

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
	return p.scrubRules(t.Repo)
}

// scrubRules are what policy has done to the forks of a repository.
func (p *pods) scrubRules(repo string) (rules []wire.Scrub) {
	for _, s := range p.rules.Scrubs(repo) {
		rules = append(rules, wire.Scrub{
			Name: s.Name, Files: s.Files, Volumes: s.Volumes, Remove: s.Remove, Empty: s.Empty, Set: s.Set, Generate: s.Generate, Run: s.Run,
			Leaks: s.Leaks, Ignore: s.Ignore,
		})
	}
	return rules
}

// settledFromBirth reports whether nothing has to be done to a fork of a tree before anybody is in it.
func (p *pods) settledFromBirth(parent fork.Tree) bool {
	hooks, err := hooksOf(p.trees.Dirs(parent).Data)
	return p.rules.shut() == nil && len(p.rules.Scrubs(parent.Repo)) == 0 && err == nil && hooks == ""
}

// settle has done to a fork, whose pod was started, what has to be done before anybody is in it, and records that. A fork for which that fails is
// nobody's to enter: why is kept with it. started is what came of the pod's start, which has its own reasons to fail: then all is done at the next.
func (p *pods) settle(ctx context.Context, unit string, t fork.Tree, hooks string, spec nsjail.Spec, started error) error {
	var done wire.Scrubbed
	if len(spec.Scrub) > 0 {
		var unread error
		done, unread = nsjail.ReadScrubbed(p.runDir, t.GUID)
		if started == nil {
			started = unread
		}
	}
	if started != nil && done.Error == "" {
		return started
	}
	why := done.Error
	if why == "" && hooks != "" {
		began := time.Now()
		if err := p.call(ctx, t, hooks, hookUp); err != nil {
			why = "up of its Rediaccfile failed: " + err.Error()
		}
		done.Steps = append(done.Steps, wire.ScrubStep{Name: "up", Took: time.Since(began)})
	}
	what := fmt.Sprintf("settling the fork %s (%s) of %s: %s", t.Ref(), t.GUID, gate.Printable(t.Owner), summary(done, why))
	if err := p.record(what); err != nil {
		return errors.Join(err, p.units.Kill(ctx, unit))
	}
	if _, err := p.trees.Settle(t.GUID, why); err != nil {
		return errors.Join(err, p.units.Kill(ctx, unit))
	}
	if why != "" {
		t.Unsettled = why
		return errors.Join(unsettled(t), p.units.Kill(ctx, unit))
	}
	return nil
}

// summary says what was done, and how long it took.
func summary(done wire.Scrubbed, why string) string {
	var parts []string
	for _, s := range done.Steps {
		found := ""
		if s.Total > 0 {
			found = fmt.Sprintf(" with %d credentials", s.Total)
		}
		parts = append(parts, fmt.Sprintf("%s, %d files%s, %s", gate.Printable(s.Name), s.Files, found, milliseconds(s.Took)))
	}
	if why != "" {
		parts = append(parts, "it failed: "+gate.Printable(why))
	}
	return strings.Join(parts, "; ")
}

// unsettled is the refusal of a fork that could not be settled. What was in the way may quote what is secret, and is the operator's to see.
func unsettled(t fork.Tree) error {
	return &gate.Refusal{
		Reason: t.Ref() + " is not settled: what has to be done to it before anybody is in it has failed",
		Hint:   "the operator finds why with forkgate show " + t.Ref() + ", and tries again with forkgate settle " + t.Ref() + " --again",
	}
}

// settle does what has to be done to a fork before anybody is in it.
func settle(ctx context.Context, w *word) (page, error) {
	t, err := w.tree(ctx, w.args[0])
	switch {
	case err != nil:
		return page{}, err
	case t.Grand:
		return page{}, &gate.Refusal{Reason: t.Ref() + " is a grand (production) repository: nothing is taken out of it", Hint: "name a fork of it"}
	case t.Settled:
		return page{}, &gate.Refusal{Reason: t.Ref() + " is settled", Hint: "ssh gate@host rm " + t.Ref() + ", and make it again"}
	case t.Unsettled != "" && !w.flags["again"]:
		return page{}, unsettled(t)
	}
	w.pods.operatorLeaves(ctx, t.GUID)
	if err := w.pods.start(ctx, t.GUID, true); err != nil {
		return page{}, err
	}
	done := wire.Scrubbed{Steps: []wire.ScrubStep{}}
	if len(w.pods.scrubs(t)) > 0 {
		if done, err = nsjail.ReadScrubbed(w.pods.runDir, t.GUID); err != nil {
			return page{}, err
		}
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
