package warden

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"forkgate/fork"
	"forkgate/gate"
	"forkgate/nsjail/wire"
)

// scanStep is the name of the rule that looks for credentials: no rule of a policy has it.
const scanStep = "scan:"

// scanned is what scan finds, and never a value.
type scanned struct {
	Ref   string        `json:"ref"`
	Files int           `json:"files"` // that were searched
	Bytes int64         `json:"bytes"`
	Total int           `json:"total"` // credentials
	Found []wire.Leak   `json:"found"` // the first of them
	Took  time.Duration `json:"ns"`
}

// scan looks for credentials in a tree: in a copy of it that nobody enters, that has no network and that is gone afterwards. Nothing of the tree
// itself is read, and what runs in it is neither slowed down nor believed.
func scan(ctx context.Context, w *word) (page, error) {
	t, err := w.tree(ctx, w.args[0])
	if err != nil {
		return page{}, err
	}
	step, err := w.scanCopy(ctx, t, w.pods.scanRules(t, w.flags["scrubbed"], w.flags["images"]))
	if err != nil {
		return page{}, err
	}
	found := scanned{t.Ref(), step.Files, step.Bytes, step.Total, append([]wire.Leak{}, step.Found...), step.Took}
	return page{data: found, text: found.print}, nil
}

// scanRules are what is done to the copy: with scrubbed what policy does to a fork first. What policy ignores in forks of the repository is ignored.
func (p *pods) scanRules(t fork.Tree, scrubbed, images bool) (rules []wire.Scrub) {
	look := wire.Scrub{Name: scanStep, Files: []string{"**"}, Volumes: []string{"**"}, Leaks: wire.Report}
	if images {
		look.Images = []string{"*/diff/**"}
	}
	for _, rule := range p.scrubRules(t.Repo) {
		look.Ignore = append(look.Ignore, rule.Ignore...)
		if scrubbed && rule.Leaks != wire.Report && rule.Leaks != wire.Refuse {
			rules = append(rules, rule)
		}
	}
	slices.Sort(look.Ignore)
	look.Ignore = slices.Compact(look.Ignore)
	return append(rules, look)
}

// scanCopy makes a copy, has it looked at, and removes it.
func (w *word) scanCopy(ctx context.Context, t fork.Tree, rules []wire.Scrub) (step wire.ScrubStep, err error) {
	copied, gone, err := w.copyOf(ctx, t)
	if err != nil {
		return step, err
	}
	defer func() { err = errors.Join(err, gone()) }()
	done, err := w.pods.examine(ctx, copied, rules)
	if err != nil {
		return step, err
	}
	i := slices.IndexFunc(done.Steps, func(s wire.ScrubStep) bool { return s.Name == scanStep })
	switch {
	case done.Error != "":
		return step, &gate.Refusal{Reason: t.Ref() + " cannot be scanned: " + done.Error}
	case i < 0:
		return step, fmt.Errorf("%s was not scanned, and nobody says why", t.Ref())
	}
	return done.Steps[i], nil
}

func (s scanned) print(out io.Writer) {
	if s.Total > 0 {
		rows := [][]string{{"PLACE", "FILE", "LINE", "KIND"}}
		for _, leak := range s.Found {
			line := "-"
			if leak.Line > 0 {
				line = fmt.Sprint(leak.Line)
			}
			rows = append(rows, []string{leak.Place, leak.File, line, leak.Kind})
		}
		columns(out, rows...)
		fmt.Fprintln(out)
	}
	fmt.Fprintf(out, "%s: %s in %s of %.1f MB, searched in %.1f s\n", s.Ref, gate.Count(s.Total, "credential"), gate.Count(s.Files, "file"), float64(s.Bytes)/1e6, s.Took.Seconds())
}
