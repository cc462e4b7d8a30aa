package policy

import (
	"slices"

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
	Quota   uint64 // bytes that all of them may take
	Session uint64 // and one
}

// DefaultRecordingBounds is what stands where the files say nothing.
func DefaultRecordingBounds() Recordings { return Recordings{DefaultRecordings, DefaultRecording} }

// Recordings says it.
func (p *Policy) Recordings() Recordings { return p.recordings }

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
	if bytes := f.size("session", minRecordings); bytes > 0 {
		r.Session = bytes
	}
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
var recordable = []gate.Op{gate.OpShell, gate.OpExec, gate.OpSFTP}

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
		l.complain(f.attrs["record"].NameRange, "Recording without effect", "What is recorded is a session, and this rule never matches op shell, exec or sftp.")
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
