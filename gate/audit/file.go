package audit

import "forkgate/gate"

// File records what a session of op sftp did to a file, on the word of its door. What comes by the thousand is counted instead.
func (l *Log) File(session string, r gate.Request, op gate.FileOperation) error {
	e := entry(EventFile, session, r)
	e.Did, e.Path, e.To, e.Change = gate.Printable(op.Did), gate.Exact(string(op.Path)), gate.Exact(string(op.To)), gate.Printable(op.Change)
	e.Size, e.SHA256, e.Partial, e.Outcome, e.Began = op.Size, gate.Printable(op.SHA256), op.Partial, gate.Printable(op.Outcome), op.Began.UTC()
	if l.files.takes(l.now(), e, 1+(len(e.Path)+len(e.To))>>10) {
		return nil
	}
	return l.write(e)
}

// Files counts operations of a session on files, of which nothing but their number is known.
func (l *Log) Files(session string, r gate.Request, many int) {
	l.files.add(entry(EventFile, session, r), many)
}

// Unfollowed records that nobody can tell what a session of op sftp does to files from now on.
func (l *Log) Unfollowed(session string, r gate.Request, why string) error {
	e := entry(EventFile, session, r)
	e.Reason = "what it does to files cannot be told any more: " + gate.Printable(why)
	return l.write(e)
}
