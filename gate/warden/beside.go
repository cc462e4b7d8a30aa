package warden

import (
	"context"

	"forkgate/gate"
	"forkgate/gate/warden/client"
)

// What comes beside a session is permitted when it begins, and asked about again when more is known: the forwards of a connection once a
// session of it brings a mark of an agent, and the ssh-agents that are along once an agent enters where they are.

// forwardsHear has the connection's forwards know what a session of it has said of an agent, ends those that policy permits no agent, and returns
// why, by their names.
func (r *request) forwardsHear(ctx context.Context, marks []string) (ended map[string]gate.Decision) {
	ended = map[string]gate.Decision{}
	for _, l := range r.pods.sessions.forwardsOf(r.connection, marks) {
		if d, ok := r.stillPermitted(l); !ok {
			r.revoke(ctx, l, d)
			ended[l.ID] = d
		}
	}
	return ended
}

// overheard refuses a forward that was permitted before a session of its connection said of an agent what policy would refuse it for.
func (r *request) overheard(ctx context.Context, ask gate.Ask) error {
	if !ask.Op.IsForward() {
		return nil
	}
	marks, _ := r.identity.said.with(nil)
	if len(marks) <= len(ask.Evidence.Env) {
		return nil
	}
	if d, ok := r.forwardsHear(ctx, texts(marks))[r.session]; ok {
		return d.Refusal()
	}
	return nil
}

// anywhere is no pod's GUID.
const anywhere = ""

// reconsiderAgents takes ssh-agents out of the sessions where policy would not let them come along now: of one pod, or anywhere.
func (w *Warden) reconsiderAgents(ctx context.Context, guid string) {
	for _, l := range w.pods.sessions.withAgent(guid) {
		asking := l
		asking.Asked.Op, asking.Asked.Command = gate.OpAgentForward, ""
		d, ok := w.stillPermitted(asking)
		if ok {
			continue
		}
		by, news := w.pods.sessions.agentLeaves(l.ID)
		if !news {
			continue
		}
		if err := w.log.Revoked(l.ID, asking.Asked, d); err != nil {
			w.journal.Error("that access was revoked is not in the audit log", "session", l.ID, "error", err)
		}
		if !w.audience.takeAgent(by, l.ID, "your ssh-agent is not there any more: "+d.Reason) {
			w.revoke(ctx, l, d) // its door cannot be told
		}
	}
}

// takeAgent has the door of a session take the caller's ssh-agent out of it. It reports whether there is that door.
func (a *audience) takeAgent(by *connection, session, text string) (told bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, told = a.here[by]; told {
		by.saying.Go(func() { by.say(client.Notice{Session: session, Text: text, Agent: true}) })
	}
	return told
}

// forwardsOf notes what has been said of an agent at the forwards of a connection, and returns those.
func (s *sessions) forwardsOf(by *connection, marks []string) (all []live) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.all {
		if e.by != by || !e.runs || !e.Asked.Op.IsForward() {
			continue
		}
		e.Marks = marks
		if err := s.write(e.live); err != nil {
			s.journal.Error("it is not written down what is said of a session", "session", e.ID, "error", err)
		}
		all = append(all, e.live)
	}
	return all
}

// withAgent lists the sessions with their callers' ssh-agents, in one pod or anywhere.
func (s *sessions) withAgent(guid string) []live {
	return s.those(func(e *entry) bool {
		return e.runs && e.Agent && (guid == anywhere || guid == e.Asked.Target.GUID)
	})
}

// agentLeaves notes that an ssh-agent leaves a session, and returns by which connection that is. It reports whether that is news.
func (s *sessions) agentLeaves(id string) (by *connection, news bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.all[id]
	if !ok || !e.Agent {
		return nil, false
	}
	e.Agent = false
	if err := s.write(e.live); err != nil {
		s.journal.Error("it is not written down that an ssh-agent has left a session", "session", id, "error", err)
	}
	return e.by, true
}
