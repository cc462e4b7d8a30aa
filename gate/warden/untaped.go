package warden

import (
	"context"
	"fmt"

	"forkgate/gate"
	"forkgate/gate/warden/client"
	"forkgate/nsjail/wire"
)

// cameToNothing records why a session does not run that policy has permitted: else the record says that somebody was let in.
func (r *request) cameToNothing(why error) error {
	l, came := r.pods.sessions.came(r.session)
	if !came {
		return nil
	}
	said := "the gate failed: the journal of forkgate-warden says why"
	if refusal, ok := gate.AsRefusal(why); ok {
		said = refusal.Reason
	}
	return r.log.Refused(r.session, l.Asked, "nothing ran: "+said)
}

// unrecorded records that a session is to be recorded, and is not.
func (r *request) unrecorded(o *opened) error {
	if o.record == gate.Unrecorded || o.tape != nil {
		return nil
	}
	l, news := r.pods.sessions.untapes(r.session)
	if !news {
		return nil
	}
	return r.log.Untaped(r.session, l.Asked, "it cannot be recorded: "+publicly(o.untaped))
}

// untaped takes a door's word that a session is not recorded any more, once, and of one that has to be that this ends it.
func untaped(_ context.Context, r *request, q client.UntapedRequest) (answer, error) {
	if len(q.Why) > maxFileText {
		return answer{}, fmt.Errorf("%w: untaped: a reason of %d bytes", wire.ErrMalformed, len(q.Why))
	}
	l, news := r.pods.sessions.untapes(q.Session)
	if !news || l.Asked.Door != sshDoor {
		return answer{body: struct{}{}}, nil
	}
	why := "the recording failed: " + q.Why
	r.metrics.failures.Inc()
	if q.Ends {
		r.pods.sessions.ends(q.Session, why)
	}
	return answer{body: struct{}{}}, r.log.Untaped(q.Session, l.Asked, why)
}
