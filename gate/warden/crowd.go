package warden

import (
	"context"
	"fmt"
	"slices"
	"time"

	"forkgate/fork"
	"forkgate/gate"
)

// makeWay sees to it that the pod of a fork may be started, where policy bounds how many of its owner's run at a time: those in which nothing goes on
// are stopped, the one that was unused for longest first. The caller says when its start is over.
func (p *pods) makeWay(ctx context.Context, t fork.Tree) (over func(), err error) {
	most := p.rules.Pods().Running
	if t.Grand || most == 0 {
		return func() {}, nil
	}
	p.wakes(t.GUID, 1) // before it is looked who else does: of two at a time each counts the other
	over = func() { p.wakes(t.GUID, -1) }
	for {
		others, err := p.othersOf(ctx, t)
		if err == nil && len(others) >= most {
			err = p.stopOne(ctx, others, &gate.Refusal{
				Reason: fmt.Sprintf("%s of %s run, as many as may, and something goes on in each", gate.Count(most, "fork"), gate.Printable(t.Owner)),
				Hint:   "ssh gate@host sessions lists yours; a fork in which there is neither a session nor a container makes way for another",
			})
			if err == nil {
				continue
			}
		}
		if err != nil {
			over()
			return nil, err
		}
		return over, nil
	}
}

func (p *pods) wakes(guid string, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waking[guid] += n; p.waking[guid] == 0 {
		delete(p.waking, guid)
	}
}

// othersOf are the forks of the same owner that run or are about to, the one that was unused for longest first.
func (p *pods) othersOf(ctx context.Context, t fork.Tree) (others []fork.Tree, err error) {
	guids, err := p.Running(ctx)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	for guid := range p.waking {
		if !slices.Contains(guids, guid) {
			guids = append(guids, guid)
		}
	}
	p.mu.Unlock()
	for _, guid := range guids {
		other, ok := p.trees.Get(guid)
		if ok && !other.Grand && other.Owner == t.Owner && guid != t.GUID {
			others = append(others, other)
		}
	}
	slices.SortFunc(others, func(a, b fork.Tree) int { return p.lastUse(a).Compare(p.lastUse(b)) })
	return others, nil
}

// stopOne stops the first of these in which nothing goes on, and says no where there is none.
func (p *pods) stopOne(ctx context.Context, of []fork.Tree, no error) error {
	for _, t := range of {
		if p.sessions.in(t.GUID) {
			continue
		}
		_, stopped, err := p.rest(ctx, t.GUID, time.Unix(0, 0), 0)
		if err != nil {
			return err
		}
		if stopped {
			p.journal.Info("a pod in which nothing goes on makes way for another of its owner's", "ref", t.Ref())
			return nil
		}
	}
	return no
}
