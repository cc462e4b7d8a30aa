package warden

import (
	"context"
	"fmt"

	"forkgate/fork"
	"forkgate/gate"
	"forkgate/gate/warden/client"
	"forkgate/systemd"
)

// begun is a session of this connection, and how often its pod had hit each limit when it began.
type begun struct {
	guid, unit string
	had        systemd.Hits
}

// maxOpened bounds what a connection is remembered for: a client opens session after session as long as it likes.
const maxOpened = 256

// begin notes the session that this request has opened.
func (r *request) begin(guid string) {
	unit, err := systemd.Instance(podUnit, guid)
	if err != nil {
		return
	}
	b := begun{guid, unit, r.pods.hits(unit)}
	r.opening.Lock()
	defer r.opening.Unlock()
	if r.opened == nil {
		r.opened = map[string]begun{}
	}
	if len(r.opened) < maxOpened {
		r.opened[r.session] = b
	}
}

// struck says which limits a session that failed ran into: the kernel only kills, or says that something is unavailable. A
// session is asked about once.
func struck(_ context.Context, r *request, q client.StruckRequest) (answer, error) {
	r.opening.Lock()
	b, ok := r.opened[q.Session]
	delete(r.opened, q.Session)
	r.opening.Unlock()
	tree, exists := r.trees.Get(b.guid)
	if !ok || !exists { // none of this connection's, or in a fork that has been removed, which is another story
		return answer{body: client.StruckReply{}}, nil
	}
	limits, has, ref := r.rules.limitsOf(tree), r.pods.hits(b.unit), tree.Ref()
	var reply client.StruckReply
	if limits.Memory > 0 && has.Memory > b.had.Memory {
		reply.Limits = append(reply.Limits, fmt.Sprintf("%s reached its memory limit of %s, and the kernel killed a process", ref, gate.FormatSize(limits.Memory)))
	}
	if limits.Pids > 0 && has.Tasks > b.had.Tasks {
		reply.Limits = append(reply.Limits, noMore(ref, limits))
	}
	if used, err := r.trees.Used(tree); err == nil && limits.Quota > 0 && used+limits.Quota/32 >= limits.Quota {
		reply.Limits = append(reply.Limits, fmt.Sprintf("%s is at its quota of %s", ref, gate.FormatSize(limits.Quota)))
	}
	if len(reply.Limits) > 0 {
		reply.Hint = showHint(ref)
	}
	return answer{body: reply}, nil
}

func noMore(ref string, limits gate.Limits) string {
	return fmt.Sprintf("%s reached its limit of %d processes, and could start no more", ref, limits.Pids)
}

func showHint(ref string) string { return "ssh gate@host show " + ref }

// whetherFull looks at a pod before something is to be started in it. Where that fails, what it returns tells a limit that others have used up from
// what is the gate's own fault.
func (p *pods) whetherFull(t fork.Tree) func(failed error) error {
	unit, err := systemd.Instance(podUnit, t.GUID)
	if err != nil {
		return func(failed error) error { return failed }
	}
	had := p.hits(unit)
	return func(failed error) error {
		limits := p.rules.limitsOf(t)
		if limits.Pids == 0 || p.hits(unit).Tasks <= had.Tasks {
			return failed
		}
		return &gate.Refusal{Reason: noMore(t.Ref(), limits), Hint: showHint(t.Ref())}
	}
}
