package policy

import (
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

	"filippo.io/age"
	"github.com/hashicorp/hcl/v2"

	"forkgate/gate"
)

// What recordings may take of the disk where no block says.
const (
	DefaultRecordings = 10 << 30 // bytes, all together
	DefaultRecording  = 256 << 20

	minRecordings = 1 << 20
)

// Recordings is what the files say of the recordings of sessions.
type Recordings struct {
	Quota      uint64   // bytes that all of them may take
	Principal  uint64   // those of one principal
	Session    uint64   // and one
	Recipients []string // keys of age that they are encrypted to; none: they are not
}

// DefaultRecordingBounds is what stands where the files say nothing.
func DefaultRecordingBounds() Recordings {
	return Recordings{Quota: DefaultRecordings, Principal: DefaultRecordings / partOfOne, Session: DefaultRecording}
}

// partOfOne is how many principals fill the quota, where the files do not say.
const partOfOne = 4

// Recordings says it. What its fields point to is not the caller's.
func (p *Policy) Recordings() Recordings { return p.recordings }

// Redactions are what no record shows, by name.
func (p *Policy) Redactions() gate.Redactions { return p.redactions }

func (l *loader) readRecordings() {
	r := &l.policy.recordings
	*r = DefaultRecordingBounds()
	block := l.only("recordings")
	if block == nil {
		return
	}
	f := l.fields(block)
	if bytes := f.size("quota", minRecordings); bytes > 0 {
		r.Quota = bytes
	}
	r.Principal = r.Quota / partOfOne
	if bytes := f.size("principal", minRecordings); bytes > 0 {
		r.Principal = bytes
	}
	if bytes := f.size("session", minRecordings); bytes > 0 {
		r.Session = bytes
	}
	sound := !f.broken
	for _, part := range []struct {
		name  string
		bytes uint64
	}{{"principal", r.Principal}, {"session", r.Session}} {
		if f.has(part.name) && sound && part.bytes > r.Quota {
			f.complain(f.attrs[part.name].Expr.Range(), "Out of range", "%s is at most the quota, which all recordings share: %s.", part.name, gate.FormatSize(r.Quota))
		}
	}
	r.Recipients = f.recipients()
}

// recipients reads public keys of age. A list without one would seem to encrypt, and does not.
func (f *fields) recipients() (keys []string) {
	for _, line := range f.list("recipients") {
		_, err := age.ParseRecipients(strings.NewReader(line.text))
		switch {
		case strings.HasPrefix(line.text, "AGE-"):
			f.complain(line.at, "Secret key", "Who has this key reads the recordings: it does not belong here. Its public half, which does, begins with age1; age-keygen -y prints it.")
		case err != nil || strings.ContainsAny(line.text, "\n#"):
			f.complain(line.at, "Unusable key", "%s is no public key of age: age-keygen prints one, age1 and 58 letters and digits or more.", quoted(line.text))
		}
		keys = append(keys, line.text)
	}
	if f.has("recipients") && len(keys) == 0 && !f.broken {
		f.complain(f.attrs["recipients"].Range, "Empty list", "Recordings are encrypted to somebody; leave recipients out where they are not to be.")
	}
	return keys
}

// maxPattern bounds a pattern: each is tried at all that a recorded session prints.
const maxPattern = 1 << 10

// readRedactions reads what no record shows.
func (l *loader) readRedactions() {
	for _, block := range l.of("redact") {
		name := block.Labels[0]
		if err := gate.CheckName(name); err != nil {
			l.complain(block.LabelRanges[0], "Malformed name", "%q cannot be a redaction: %v.", name, err)
		}
		f := l.fields(block)
		if said := f.text("pattern"); f.has("pattern") && !f.broken {
			l.policy.redactions = append(l.policy.redactions, gate.Redaction{Name: name, Pattern: f.pattern(said)})
		}
	}
	slices.SortFunc(l.policy.redactions, func(a, b gate.Redaction) int { return strings.Compare(a.Name, b.Name) })
}

// pattern reads a regular expression that matches something; nil after a complaint.
func (f *fields) pattern(said literal) *regexp.Regexp {
	compiled, err := regexp.Compile(said.text)
	switch {
	case err != nil:
		f.complain(said.at, "Malformed pattern", "%s is no regular expression (RE2; in a quoted text a backslash is written twice): %s", quoted(said.text), sentence(err))
	case len(said.text) > maxPattern:
		f.complain(said.at, "Out of range", "A pattern has at most %d characters.", maxPattern)
	case compiled.MatchString(""):
		f.complain(said.at, "Pattern without effect", "%s matches nothing at all as well, so that it says nothing of what to redact: write + in place of *.", quoted(said.text))
	}
	if parsed, err := syntax.Parse(said.text, syntax.Perl); err == nil && crossesLines(parsed) {
		f.complain(said.at, "Pattern without effect", "%s matches only what goes over the end of a line, and it is looked for within a line.", quoted(said.text))
	}
	return compiled
}

// only finds the one block of a kind of which there is one at most; nil where there is none.
func (l *loader) only(kind string) (first *hcl.Block) {
	for _, block := range l.blocks {
		switch {
		case block.Type != kind:
		case first != nil:
			l.complain(block.DefRange, "Duplicate block", "There is a %s block already, at %s: all %[1]s of the host share one.", kind, place(first.DefRange))
		default:
			first = block
		}
	}
	return first
}

// recordable are the operations that can be recorded.
var recordable = []gate.Op{gate.OpShell, gate.OpExec, gate.OpSFTP, gate.OpForwardLocal, gate.OpForwardRemote, gate.OpForwardUnix}

// readRecord reads how a rule wants sessions recorded.
func (f *fields) readRecord() gate.Recording {
	complaints := len(f.l.diags)
	said := f.text("record")
	var r gate.Recording
	if len(f.l.diags) > complaints {
		return r
	}
	if f.has("record") && !slices.Contains(gate.Recordings(), said.text) {
		f.complain(said.at, "Unknown word", "record is \"required\" or \"best-effort\", and left out where nothing is recorded.")
	} else if f.has("record") {
		_ = r.UnmarshalText([]byte(said.text)) // one of the words
	}
	return r
}

// checkRecord complains of a recording by a rule that never matches a session.
func (l *loader) checkRecord(f *fields, r *rule) {
	if r.record == gate.Unrecorded || r.when == nil {
		return
	}
	l.policy.records = true
	if !slices.ContainsFunc(r.slots, func(s slot) bool { return slices.Contains(recordable, s.op) }) {
		l.complain(f.attrs["record"].NameRange, "Recording without effect", "What is recorded is a session, and this rule never matches op shell, exec, sftp or a forward.")
	}
}

// recording is the strictest that rules say which let a session in.
func (c *candidates) recording(r *gate.Request) (strictest gate.Recording) {
	if !slices.Contains(recordable, r.Op) {
		return gate.Unrecorded
	}
	for _, permit := range c.all((*bucket).permitting, r) {
		strictest = max(strictest, permit.record)
	}
	if r.Grant != "" {
		for _, approve := range c.all((*bucket).approving, r) {
			strictest = max(strictest, approve.record)
		}
	}
	return strictest
}
