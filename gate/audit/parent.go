package audit

import "forkgate/gate"

// maxParents bounds how many sessions are remembered. Where more have begun at once, or the warden was started anew, lines lack their parent.
const maxParents = 1 << 14

// parents knows which line let a session in.
type parents map[string]uint64

// line gives a session's line its parent, and takes note of the line that others have as theirs.
func (p *parents) line(e *Entry) {
	switch e.Event {
	case EventDecision:
		if e.Session == "" || e.Verdict != gate.Permit.String() || !opensSession(e.Op) {
			return
		}
		if *p == nil || len(*p) >= maxParents {
			*p = parents{}
		}
		(*p)[e.Session] = e.Seq
	case EventStarted, EventRevoked, EventUntaped, EventRefused, EventGrant, EventFile:
		e.Parent = (*p)[e.Session]
	case EventEnded:
		e.Parent = (*p)[e.Session]
		delete(*p, e.Session)
	}
}

func opensSession(op gate.Op) bool {
	return op == gate.OpShell || op == gate.OpExec || op == gate.OpSFTP || op.IsForward()
}
