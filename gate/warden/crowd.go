package warden

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"forkgate/fork"
	"forkgate/gate"
)

// crowd is what is known of the pods of one principal's forks that are about to run.
type crowd struct {
	turn   sync.Mutex     // of starts: each counts those that came before it
	waking map[string]int // by GUID: how many starts are under way; under pods.mu
}

func (p *pods) crowdOf(owner string) *crowd {
	p.mu.Lock()
	defer p.mu.Unlock()
	c, ok := p.crowds[owner]
	if !ok {
		c = &crowd{waking: map[string]int{}}
		p.crowds[owner] = c // stays, as the locks of pods do
	}
	return c
}

// wakers are the forks whose start is under way, and goes on without more of them.
func (p *pods) wakers(c *crowd) (guids []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for guid := range c.waking {
		guids = append(guids, guid)
	}
	return guids
}

func (p *pods) wakes(c *crowd, guid string, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.waking[guid] += n; c.waking[guid] == 0 {
		delete(c.waking, guid)
	}
}

// makeWay sees to it that the pod of a fork may be started, where policy bounds how many of its owner's run at a time: those in which nothing goes on
// are stopped, the one that was unused for longest first. The caller says when its start is over. Meanwhile other starts of the same owner's wait.
func (p *pods) makeWay(ctx context.Context, t fork.Tree) (over func(), err error) {
	most := p.rules.Pods().Running
	if t.Grand || most == 0 {
		return func() {}, nil
	}
	c := p.crowdOf(t.Owner)
	c.turn.Lock()
	defer c.turn.Unlock()
	waking := slices.DeleteFunc(p.wakers(c), func(guid string) bool { return guid == t.GUID }) // before those that run: one that wakes may run by then
	running, err := p.runningOf(ctx, t, waking)
	if err != nil {
		return nil, err
	}
	for len(waking)+len(running) >= most {
		var stopped bool
		if running, stopped, err = p.stopOne(ctx, running); err != nil {
			return nil, err
		}
		if !stopped {
			return nil, &gate.Refusal{
				Reason: fmt.Sprintf("%s may have %s run at a time, and something goes on in each that does", gate.Printable(t.Owner), gate.Count(most, "fork")),
				Hint:   "ssh gate@host sessions lists yours; a fork in which there is neither a session nor a container makes way for another, and so does one that is removed",
			}
		}
	}
	p.wakes(c, t.GUID, 1)
	return func() { p.wakes(c, t.GUID, -1) }, nil
}

// runningOf are the other forks of the same owner that run, without those that are waking, the one that was unused for longest first.
func (p *pods) runningOf(ctx context.Context, t fork.Tree, waking []string) (others []fork.Tree, err error) {
	guids, err := p.Running(ctx)
	if err != nil {
		return nil, err
	}
	for _, guid := range guids {
		other, ok := p.trees.Get(guid)
		if ok && !other.Grand && other.Owner == t.Owner && guid != t.GUID && !slices.Contains(waking, guid) {
			others = append(others, other)
		}
	}
	slices.SortFunc(others, func(a, b fork.Tree) int { return p.lastUse(a).Compare(p.lastUse(b)) })
	return others, nil
}

// stopOne stops the first of these in which nothing goes on, and returns the others.
func (p *pods) stopOne(ctx context.Context, of []fork.Tree) (others []fork.Tree, stopped bool, err error) {
	for i, t := range of {
		if p.sessions.in(t.GUID) {
			continue
		}
		_, stopped, err := p.rest(ctx, t.GUID, time.Unix(0, 0), 0)
		if err != nil {
			return of, false, err
		}
		if stopped {
			p.journal.Info("a pod in which nothing goes on makes way for another of its owner's", "ref", t.Ref())
			return append(slices.Clone(of[:i]), of[i+1:]...), true, nil
		}
	}
	return of, false, nil
}
