package warden

import (
	"context"
	"fmt"
	"time"

	"forkgate/fork"
	"forkgate/gate"
	"forkgate/gate/policy"
	"forkgate/nsjail"
	"forkgate/systemd"
)

// limitsOf are the limits of a tree: a fork's were fixed when it was made, a grand repository's are what policy says now. A fork
// from before there were limits has the defaults.
func (r *rules) limitsOf(t fork.Tree) gate.Limits {
	if t.Grand {
		return r.Repository(t.Repo).Limits
	}
	limits, defaults := gate.Limits(t.Limits), policy.DefaultLimits()
	if limits.Memory == 0 {
		limits.Memory = defaults.Memory
	}
	if limits.Pids == 0 {
		limits.Pids = defaults.Pids
	}
	if limits.CPU == 0 {
		limits.CPU = defaults.CPU
	}
	return limits
}

// network is what a tree's pod may reach and, of a grand repository, what reaches it.
func (p *pods) network(t fork.Tree) nsjail.Network {
	n := nsjail.Network{Slot: t.Slot, Resolvers: p.rules.Pods().Resolvers}
	for _, text := range p.rules.limitsOf(t).Egress {
		if place, err := gate.ParseEgress(text); err == nil && place.Name != "" {
			n.Names = append(n.Names, text)
		} else {
			n.Egress = append(n.Egress, text)
		}
	}
	if t.Grand {
		n.Publish = p.rules.Repository(t.Repo).Publish
	}
	return n
}

// limit limits a pod's unit before it starts. systemd keeps that until the next boot, so it is told only of changes.
func (p *pods) limit(ctx context.Context, unit string, t fork.Tree) error {
	l := p.rules.limitsOf(t)
	want := systemd.Limits{Memory: l.Memory, Tasks: l.Pids, CPU: l.CPU, IO: l.IO}
	p.mu.Lock()
	has, known := p.limited[t.GUID]
	p.mu.Unlock()
	if known && has == want {
		return nil
	}
	if err := p.units.Limit(ctx, unit, want); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.limited[t.GUID] = want
	return nil
}

// unlimit takes back what limit set, or an earlier warden, for a tree that is being removed.
func (p *pods) unlimit(ctx context.Context, unit, guid string) error {
	p.mu.Lock()
	delete(p.limited, guid)
	p.mu.Unlock()
	return p.units.Revert(ctx, unit)
}

// lastWords is how long those in a fork have that is ended for production's sake.
const lastWords = 2 * time.Second

// ending records that forks are ended because the pool is tight, and warns who is in them; where it is urgent nobody has time to read
// that. Should the record fail, a fork goes nonetheless: production is about to meet a full disk.
func (w *Warden) ending(forks []fork.Tree, room fork.Room) {
	told := 0
	for _, t := range forks {
		told += w.endingOne(t, room)
	}
	if told > 0 && !room.Urgent() {
		time.Sleep(lastWords)
	}
}

func (w *Warden) endingOne(t fork.Tree, room fork.Room) (told int) {
	what := fmt.Sprintf("ending the fork %s (%s) of %s: the pool has %s free, half of its reserve of %s is gone; enlarge it",
		t.Ref(), t.GUID, gate.Printable(t.Owner), size(int64(room.Free)), size(int64(room.Reserve)))
	w.journal.Warn(what)
	if err := w.log.Service(what); err != nil {
		w.journal.Error("the end of a fork is not in the audit log", "ref", t.Ref(), "error", err)
	}
	return w.audience.tell(t.GUID, t.Ref()+" is removed now: the pool is nearly full, and production comes first")
}
