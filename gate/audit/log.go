package audit

import (
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"forkgate/gate"
)

// ErrUnwritable says that the log cannot be written. Nothing goes on then but what the operator does.
var ErrUnwritable = errors.New("the audit log cannot be written")

// Log appends to the record. Its methods may be called at the same time.
type Log struct {
	dir     string
	copy    string // where the newest anchor's copy lies
	key     ed25519.PrivateKey
	journal *slog.Logger
	now     func() time.Time
	maxSize int64 // bytes, from which on the next file is begun

	appendOnly bool
	syslog     bool
	lock       *os.File // held by who writes

	mu       sync.Mutex
	file     *os.File
	number   int   // of the file
	size     int64 // of the file
	reserved int64 // up to where room is set aside
	head     head
	parents  parents
	gap      gap
	anchored uint64    // the head's number when it was signed last
	signed   time.Time // and when that was
	broken   error     // why the last line could not be written; nil: it was
	torn     bool      // the file may end in half a line
	refusals sums
	egress   sums
	files    sums

	syncing sync.Mutex // taken before mu
	synced  uint64     // the newest line that is on the disk
	retired []*os.File // whole and on the disk, and perhaps in somebody's hands; mu
	failed  atomic.Pointer[failure]
}

// failure says that the disk has lost something: the log is not written any more.
type failure struct{ error }

// head is the newest line: its number, and its hash.
type head struct {
	seq  uint64
	hash string
}

// Options say where a log is kept.
type Options struct {
	Dir    string // of the log's files; made where it is missing
	Key    string // file of the signing key; made where it is missing
	Copy   string // file for a copy of the newest anchor, not in Dir
	Append bool   // give files the append-only attribute, where the filesystem has it
	Syslog bool   // send anchors to syslog as well
}

// Close anchors what there is and ends the record: whatever is logged later fails.
func (l *Log) Close() error {
	l.sumUp()
	err := l.Anchor()
	l.mu.Lock()
	defer l.mu.Unlock()
	closeAll(l.retired)
	return errors.Join(err, l.file.Close(), l.lock.Close())
}

// Decision records what policy answered. It is written before the answer takes effect. Refusals of one principal that come by the hundred
// are counted instead.
func (l *Log) Decision(session string, r gate.Request, d gate.Decision) error {
	e := judged(EventDecision, session, r, d)
	if d.Verdict != gate.Permit && l.refusals.takes(l.now(), e, 1) {
		return nil
	}
	return l.write(e)
}

// Verb records that a control word, or an operator's command, is about to run. What policy answers follows as decisions.
func (l *Log) Verb(session string, r gate.Request) error {
	return l.write(entry(EventVerb, session, r))
}

// Refused records why somebody was not let in, with a certificate or a security key, or not as what, of which the client is told nothing; or what a
// certificate does not permit.
func (l *Log) Refused(session string, r gate.Request, why string) error {
	e := entry(EventRefused, session, r)
	e.Kind, e.Reason = "", gate.Printable(why)
	return l.write(e)
}

// Grant records what becomes of a wish to be approved, or of the grant that is the request's.
func (l *Log) Grant(session string, r gate.Request, what string) error {
	e := entry(EventGrant, session, r)
	e.Reason = gate.Printable(what)
	return l.write(e)
}

// Revoked records that a session is about to be ended, and by what: policy as it is now.
func (l *Log) Revoked(session string, r gate.Request, d gate.Decision) error {
	return l.write(judged(EventRevoked, session, r, d))
}

// Started records that a session runs: what policy permitted has come about.
func (l *Log) Started(session string, r gate.Request) error {
	return l.write(entry(EventStarted, session, r))
}

// Ended records that nothing of a session is left.
func (l *Log) Ended(session string, r gate.Request, how End) error {
	e := entry(EventEnded, session, r)
	e.Took, e.Reason = how.Took.Round(time.Millisecond).String(), gate.Printable(how.Why)
	if how.Exited {
		e.Exit, e.Signal = &how.Code, gate.Printable(how.Signal)
	}
	return l.write(e)
}

// Untaped records that a session is not recorded, or not any more, and why.
func (l *Log) Untaped(session string, r gate.Request, why string) error {
	e := entry(EventUntaped, session, r)
	e.Reason = gate.Printable(why)
	return l.write(e)
}

// Service records what happened to the warden itself.
func (l *Log) Service(what string) error { return l.write(Entry{Event: EventService, Reason: what}) }

// write appends one entry. Where that fails the operator's commands go on: somebody has to mend it.
func (l *Log) write(e Entry) error {
	if err := l.append(&e); err != nil {
		l.journal.Error("the audit log cannot be written: nothing is carried out but what root does on this host", "error", err, "event", e.Event, "session", e.Session, "command", e.Command)
		if e.Door == operatorDoor || e.Event == EventService {
			return nil
		}
		return unwritable(err)
	}
	l.journal.Info(e.Event, e.attributes()...)
	return nil
}

// unwritable is what callers hear of an error of the log's.
func unwritable(err error) error {
	return errors.Join(ErrUnwritable, err, &gate.Refusal{
		Reason: "the audit log cannot be written, so that nobody is let in", Hint: "ask the operator: the journal of forkgate-warden says why",
	})
}

// operatorDoor is the door by which root on the host speaks.
const operatorDoor = "operator"

// append makes e the next line.
func (l *Log) append(e *Entry) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken = l.tellGap(); l.broken == nil {
		l.broken = l.appendLocked(e)
	}
	l.gap.note(l.broken, l.now())
	return l.broken
}

// State is how far the log is.
type State struct {
	Newest   uint64    // number of the newest line
	Signed   uint64    // number of the line up to which it was signed; 0: not since it was opened
	SignedAt time.Time // zero: not since the log was opened
	Broken   error     // why it is not written; nil where it is
}

// State says how far the log is.
func (l *Log) State() State {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := State{Newest: l.head.seq, Signed: l.anchored, SignedAt: l.signed, Broken: l.broken}
	if failed := l.failed.Load(); failed != nil {
		s.Broken = failed
	}
	return s
}

func (l *Log) appendLocked(e *Entry) error {
	if err := l.fit(); err != nil {
		return err
	}
	e.Version, e.Seq, e.Prev, e.Time = Version, l.head.seq+1, l.head.hash, l.now().UTC()
	l.parents.line(e)
	if e.Event == EventAnchor {
		l.sign(e)
	}
	line, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("cannot encode an audit line: %w", err)
	}
	n, err := l.file.Write(append(line, '\n'))
	l.size += int64(n)
	if err != nil {
		l.torn = true
		return fmt.Errorf("cannot write an audit line: %w", err)
	}
	l.head = head{e.Seq, hash(line)}
	return nil
}

// fit makes the file fit for one more line: whole up to its end, not too long, and with room set aside.
func (l *Log) fit() error {
	if failed := l.failed.Load(); failed != nil {
		return failed
	}
	if l.torn {
		if err := l.resume(); err != nil {
			return err
		}
	}
	if l.size >= l.maxSize {
		if err := l.next(); err != nil {
			return err
		}
	}
	l.setAside()
	return nil
}

// Settle returns once all that was written before is on the disk. Who waits together waits for one write.
func (l *Log) Settle() error {
	l.mu.Lock()
	upTo := l.head.seq
	l.mu.Unlock()
	l.syncing.Lock()
	defer l.syncing.Unlock()
	if failed := l.failed.Load(); failed != nil {
		return failed
	}
	if l.synced >= upTo {
		return nil
	}
	l.mu.Lock()
	upTo, file := l.head.seq, l.file // who came while another synced goes along
	closeAll(l.retired)
	l.retired = nil
	l.mu.Unlock()
	if err := unix.Fdatasync(int(file.Fd())); err != nil {
		return l.fail(err)
	}
	l.synced = upTo
	return nil
}

// fail ends the log. The kernel says once that something is lost, and calls the pages clean from then on (fsync(2)).
func (l *Log) fail(err error) error {
	failed := &failure{unwritable(fmt.Errorf("cannot bring the audit log to the disk; restart the warden once the disk is well: %w", err))}
	l.failed.CompareAndSwap(nil, failed)
	return failed
}
