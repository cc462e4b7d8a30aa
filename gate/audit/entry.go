package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"forkgate/gate"
)

// Version is that of the lines' schema, in each line's field "v".
const Version = 2

// Events that the record tells of.
const (
	EventDecision = "decision" // policy was asked
	EventRefused  = "refused"  // somebody was not let in, with a certificate or a security key, or was not to have what the certificate does not permit; or after policy had permitted it
	EventVerb     = "verb"     // a control word or an operator's command is about to run
	EventGrant    = "grant"    // something became of a wish to be approved, or of a grant
	EventRevoked  = "revoked"  // a session is ended, as the policy in force would not permit it
	EventStarted  = "started"  // a session runs
	EventEnded    = "ended"    // nothing of a session is left
	EventUntaped  = "untaped"  // a session that was to be recorded is not, from the beginning or from here on
	EventLogin    = "login"    // sshd or login asked who may have a shell on the host itself, as forkgate pam says
	EventGap      = "gap"      // lines that could not be written are not there
	EventFile     = "file"     // a session of op sftp did something to a file, as its door says
	EventEgress   = "egress"   // a pod wanted to reach what is not open to it by name, as forkgate-egress says
	EventService  = "service"  // the warden started, or took or refused a policy
	EventSummed   = "summed"   // so many refusals, or operations on files, of one principal that they have no lines of their own
	EventAnchor   = "anchor"   // the chain's head, signed
	EventTorn     = "torn"     // the line before it was cut in two when the warden died or the disk was full
	EventAlarm    = "alarm"    // the warden found the log cut
)

// Events lists them.
func Events() []string {
	return []string{
		EventDecision, EventRefused, EventVerb, EventGrant, EventRevoked, EventStarted, EventEnded, EventUntaped, EventFile, EventEgress, EventLogin, EventGap, EventService, EventSummed, EventAnchor, EventTorn, EventAlarm,
	}
}

// Entry is one line. Times are UTC. Command is what the client sent, any bytes, quoted as a Go string is.
type Entry struct {
	Version     int         `json:"v"`
	Seq         uint64      `json:"seq"`  // from 1, without gaps
	Prev        string      `json:"prev"` // SHA-256 of the line before, in hex, without its newline; empty in the first
	Time        time.Time   `json:"time"`
	Event       string      `json:"event"`
	Session     string      `json:"session,omitempty"`
	Parent      uint64      `json:"parent,omitempty"` // number of the line that let the session in
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
	Command     string      `json:"command,omitempty"`        // its beginning, where it is long; then there is what follows
	CommandSize int         `json:"command_size,omitempty"`   // bytes that a long one has
	CommandSum  string      `json:"command_sha256,omitempty"` // of those
	Account     string      `json:"account,omitempty"`        // of the host's, that logs in to the host itself
	Service     string      `json:"service,omitempty"`        // where it does, as PAM knows it
	Terminal    string      `json:"terminal,omitempty"`       // the same
	Forward     string      `json:"forward,omitempty"`        // HOST:PORT or the path that a forward leads to, escaped
	Record      string      `json:"record,omitempty"`         // of decisions: how the session is recorded, best-effort or required
	Verdict     string      `json:"verdict,omitempty"`        // of decisions
	Rule        string      `json:"rule,omitempty"`
	Where       string      `json:"where,omitempty"`
	Reason      string      `json:"reason,omitempty"`
	Exit        *int        `json:"exit,omitempty"`   // code of a session's command; absent: it was killed
	Signal      string      `json:"signal,omitempty"` // that ended the command, as RFC 4254 names it
	Took        string      `json:"took,omitempty"`   // how long a session lasted, as in 1h2m3.004s
	Count       int         `json:"count,omitempty"`  // of what was summed

	// Of operations on files. Paths are as the client wrote them, escaped as gate.Exact does.
	Did     string    `json:"did,omitempty"` // a word of gate.FileWords
	Path    string    `json:"path,omitempty"`
	To      string    `json:"to,omitempty"`
	Change  string    `json:"change,omitempty"`
	Size    uint64    `json:"size,omitempty"`   // bytes of contents that went over
	SHA256  string    `json:"sha256,omitempty"` // of those
	Partial bool      `json:"partial,omitempty"`
	Outcome string    `json:"outcome,omitempty"`
	Began   time.Time `json:"began,omitzero"`

	Torn string `json:"torn,omitempty"` // SHA-256 of what there is of a line that was cut
	Sign string `json:"sign,omitempty"` // an anchor's signature, in base64; see anchored
	By   string `json:"by,omitempty"`   // fingerprint of the key that signed
}

// End is how a session ended.
type End struct {
	Exited bool // its command did, by itself
	Code   int
	Signal string
	Took   time.Duration
	Why    string // somebody ended it; empty: nobody
}

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
	if r.Forward != (gate.Destination{}) {
		e.Forward = gate.Exact(r.Forward.Address())
	}
	e.command(r.Command)
	return e
}

// maxCommand is how much of a command a line has, and maxAgain how much the lines have that follow the first about a session: whoever is let in with
// 128 KiB of it ten times a second would fill the disk.
const maxCommand, maxAgain = 4 << 10, 256

// command quotes a command, or its beginning.
func (e *Entry) command(said string) {
	most := maxCommand
	if e.Event == EventStarted || e.Event == EventEnded || e.Event == EventRevoked {
		most = maxAgain
	}
	if len(said) > most {
		sum := sha256.Sum256([]byte(said))
		e.CommandSize, e.CommandSum = len(said), hex.EncodeToString(sum[:])
		said = said[:most]
	}
	if said != "" {
		e.Command = strconv.QuoteToASCII(said)
	}
}

// judged is what policy said of a request.
func judged(event, session string, r gate.Request, d gate.Decision) Entry {
	e := entry(event, session, r)
	e.Verdict, e.Rule, e.Where, e.Reason = d.Verdict.String(), d.Rule, d.Where, d.Reason
	if d.Record != gate.Unrecorded {
		e.Record = d.Record.String()
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

// attributes are what the journal's line says: the part of an entry that a person looks for.
func (e Entry) attributes() (said []any) {
	for _, a := range []struct{ key, value string }{
		{"session", e.Session}, {"principal", e.Principal}, {"kind", e.Kind}, {"agent", e.Agent}, {"op", string(e.Op)}, {"ref", e.Ref},
		{"grant", e.Grant}, {"asker", e.Asker},
		{"account", e.Account}, {"service", e.Service}, {"command", e.Command}, {"forward", e.Forward}, {"did", e.Did}, {"path", e.Path}, {"to", e.To}, {"sha256", e.SHA256}, {"outcome", e.Outcome}, {"verdict", e.Verdict}, {"rule", e.Rule}, {"reason", e.Reason},
	} {
		if a.value != "" {
			said = append(said, a.key, a.value)
		}
	}
	return said
}
