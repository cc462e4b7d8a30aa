// Package audit keeps the record: one JSON line per event in a file that root alone reads, and one line in the journal.
//
// A line is written, with one write(2) and O_APPEND, before what it tells of happens; whoever cannot write it must not go on.
// There is no fsync per line: it would add a disk's latency to each login, and what it saves is only the last seconds before
// a power cut. The lines are not chained to each other yet: who is root can rewrite them.
//
// It trusts its callers' facts. What clients sent is escaped, so that no line can be forged and no terminal be driven by it.
package audit

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"forkgate/gate"
)

// Version is that of the lines' schema, in each line's field "v".
const Version = 1

// Dir is where the record is kept, and File its name there.
const (
	Dir  = "/var/lib/forkgate/audit"
	File = "audit.jsonl"
)

// Events that the record tells of.
const (
	EventDecision = "decision" // policy was asked
	EventRefused  = "refused"  // somebody was not let in, with a certificate or a security key
	EventVerb     = "verb"     // a control word or an operator's command is about to run
	EventGrant    = "grant"    // something became of a wish to be approved, or of a grant
	EventRevoked  = "revoked"  // a session is ended, as the policy in force would not permit it
	EventEnded    = "ended"    // nothing of a session is left
	EventService  = "service"  // the warden started, or took or refused a policy
)

// Entry is one line. Times are UTC. Command is what the client sent, any bytes, quoted as a Go string is.
type Entry struct {
	Version     int         `json:"v"`
	Time        time.Time   `json:"time"`
	Event       string      `json:"event"`
	Session     string      `json:"session,omitempty"`
	Principal   string      `json:"principal,omitempty"`
	Kind        string      `json:"kind,omitempty"`
	Class       gate.Class  `json:"class,omitempty"`
	Agent       string      `json:"agent,omitempty"`
	Key         string      `json:"key,omitempty"`
	Evidence    []string    `json:"evidence,omitempty"`
	Attestor    string      `json:"attestor,omitempty"`
	Attested    string      `json:"attested,omitempty"`
	Chain       []string    `json:"chain,omitempty"`
	SecurityKey string      `json:"security_key,omitempty"` // that was touched, by its name
	Override    string      `json:"override,omitempty"`     // REPO,REPO, or "refused: " and why
	Grant       string      `json:"grant,omitempty"`        // the name of a wish, and of the grant that comes of it
	Asker       string      `json:"asker,omitempty"`        // whose session an approval or its end is about
	Door        string      `json:"door,omitempty"`
	Source      *netip.Addr `json:"source,omitempty"`
	Op          gate.Op     `json:"op,omitempty"`
	Ref         string      `json:"ref,omitempty"`
	GUID        string      `json:"guid,omitempty"`
	Command     string      `json:"command,omitempty"`
	Verdict     string      `json:"verdict,omitempty"` // of decisions
	Rule        string      `json:"rule,omitempty"`
	Where       string      `json:"where,omitempty"`
	Reason      string      `json:"reason,omitempty"`
	Exit        *int        `json:"exit,omitempty"`   // code of a session's command; absent: it was killed
	Signal      string      `json:"signal,omitempty"` // that ended the command, as RFC 4254 names it
	Took        string      `json:"took,omitempty"`   // how long a session lasted, as in 1h2m3.004s
}

// End is how a session ended.
type End struct {
	Exited bool // its command did, by itself
	Code   int
	Signal string
	Took   time.Duration
	Why    string // somebody ended it; empty: nobody
}

// Log appends to the record. Its methods may be called at the same time.
type Log struct {
	journal *slog.Logger
	now     func() time.Time

	mu   sync.Mutex
	file *os.File
}

// Open opens the record in dir, which it makes where it is missing.
func Open(dir string, journal *slog.Logger) (*Log, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot open the audit log: %w", err)
	}
	path := filepath.Join(dir, File)
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot open the audit log: %w", err)
	}
	return &Log{journal: journal, now: time.Now, file: file}, nil
}

// Close ends the record: whatever is logged later fails.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.file.Close()
}

// Decision records what policy answered. It is written before the answer takes effect.
func (l *Log) Decision(session string, r gate.Request, d gate.Decision) error {
	e := entry(EventDecision, session, r)
	e.Verdict, e.Rule, e.Where, e.Reason = d.Verdict.String(), d.Rule, d.Where, d.Reason
	return l.write(e)
}

// Verb records that a control word, or an operator's command, is about to run. What policy answers follows as decisions.
func (l *Log) Verb(session string, r gate.Request) error {
	return l.write(entry(EventVerb, session, r))
}

// Refused records why somebody was not let in, with a certificate or a security key, or not as what: the client is told nothing of it.
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
	e := entry(EventRevoked, session, r)
	e.Verdict, e.Rule, e.Where, e.Reason = d.Verdict.String(), d.Rule, d.Where, d.Reason
	return l.write(e)
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

// Service records what happened to the warden itself.
func (l *Log) Service(what string) error { return l.write(Entry{Event: EventService, Reason: what}) }

func entry(event, session string, r gate.Request) Entry {
	e := Entry{
		Event: event, Session: session,
		Principal: r.Caller.Principal, Kind: r.Caller.Kind.String(), Class: r.Caller.Class, Agent: r.Caller.Agent, Key: r.Caller.Key,
		Attestor: r.Caller.Attestor, Attested: r.Caller.Attested, Chain: r.Caller.Chain, SecurityKey: r.Caller.SecurityKey, Override: override(r),
		Evidence: slices.Concat(r.Caller.Evidence, r.Caller.Marks), Door: r.Door, Op: r.Op, GUID: r.Target.GUID, Grant: r.Grant, Asker: r.Asker,
	}
	if r.Source.IsValid() {
		e.Source = &r.Source
	}
	if r.Target.Repo != "" {
		e.Ref = r.Target.Ref()
	}
	if r.Command != "" {
		e.Command = strconv.QuoteToASCII(r.Command)
	}
	return e
}

// override says what the caller's override came to.
func override(r gate.Request) string {
	if refused := r.OverrideRefused(); refused != "" {
		return "refused: " + refused
	}
	return strings.Join(r.Caller.Override.Repos, ",")
}

func (l *Log) write(e Entry) error {
	e.Version, e.Time = Version, l.now().UTC()
	line, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("cannot encode an audit line: %w", err)
	}
	if err := l.append(append(line, '\n')); err != nil {
		l.journal.Error("the audit log cannot be written, so nothing is carried out", "error", err, "event", e.Event, "session", e.Session)
		return fmt.Errorf("cannot write an audit line: %w", err)
	}
	l.journal.Info(e.Event, e.attributes()...)
	return nil
}

// attributes are what the journal's line says: the part of an entry that a person looks for.
func (e Entry) attributes() (said []any) {
	for _, a := range []struct{ key, value string }{
		{"session", e.Session}, {"principal", e.Principal}, {"kind", e.Kind}, {"agent", e.Agent}, {"op", string(e.Op)}, {"ref", e.Ref},
		{"grant", e.Grant}, {"asker", e.Asker},
		{"command", e.Command}, {"verdict", e.Verdict}, {"rule", e.Rule}, {"reason", e.Reason},
	} {
		if a.value != "" {
			said = append(said, a.key, a.value)
		}
	}
	return said
}

// append writes a whole line or none: half a line would spoil the next one as well.
func (l *Log) append(line []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, err := l.file.Write(line)
	if err == nil || n == 0 {
		return err
	}
	stat, inner := l.file.Stat()
	if inner == nil {
		inner = l.file.Truncate(stat.Size() - int64(n))
	}
	return errors.Join(err, inner)
}
