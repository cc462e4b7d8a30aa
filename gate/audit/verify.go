package audit

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"time"
)

// Report is what Verify found.
type Report struct {
	Lines      int       `json:"lines"`
	Unchained  int       `json:"unchained,omitempty"` // from before there were chains
	Anchored   time.Time `json:"anchored_until"`      // up to when all is as it was written; zero: nothing is signed
	AnchorLine uint64    `json:"anchor_line"`
	Anchors    int       `json:"anchors"`
	After      int       `json:"after_anchor"` // lines behind the last anchor: chained, and not signed yet
	Findings   []Finding `json:"findings"`     // none: the log is as it was written, as far as anchors reach
}

// Finding is something that is not as it was written.
type Finding struct {
	Place string `json:"place"` // FILE:LINE
	What  string `json:"what"`
}

// maxFindings bounds a report: behind a hundred things wrong, one more says nothing.
const maxFindings = 100

// Verify reads a whole log and says what was changed. copies are anchors from elsewhere, such as the journal's: the log has to have them.
func Verify(dir string, key ed25519.PublicKey, copies ...Entry) (Report, error) {
	v := verifier{key: key, wanted: map[uint64][]Entry{}}
	for _, c := range copies {
		v.wanted[c.Seq] = append(v.wanted[c.Seq], c)
	}
	for line, err := range Lines(dir) {
		if err != nil {
			return v.report, err
		}
		v.read(line)
	}
	v.end()
	return v.report, nil
}

// verifier goes through a log line by line.
type verifier struct {
	key    ed25519.PublicKey
	wanted map[uint64][]Entry // anchors from elsewhere, by number
	report Report

	last    Line   // the newest that is one; its hash is
	hash    string // this
	seq     uint64 // and its number this
	clean   bool   // nothing was found since the last good anchor
	begun   bool
	garbage [][]byte // what is no line, behind the last that is
	where   string   // and where it begins
	half    bool     // the garbage ends in half a line
}

func (v *verifier) find(place, what string, args ...any) {
	v.clean = false
	if len(v.report.Findings) < maxFindings {
		v.report.Findings = append(v.report.Findings, Finding{place, fmt.Sprintf(what, args...)})
	}
}

func (v *verifier) read(l Line) {
	switch {
	case l.File == fileName(unchained):
		v.report.Unchained++
		return
	case l.Entry.Seq == 0 || !l.Whole:
		if len(v.garbage) == 0 {
			v.where = l.Place()
		}
		v.garbage, v.half = append(v.garbage, bytes.Clone(l.Raw)), !l.Whole
		return
	}
	v.settleGarbage(l)
	v.link(l)
	v.report.Lines++
	v.report.After++
	v.last, v.hash, v.seq = Line{File: l.File, Number: l.Number}, hash(l.Raw), l.Entry.Seq
	v.meaning(l)
}

// settleGarbage judges what stood before a line and was none: a line that was cut is named by the one behind it.
func (v *verifier) settleGarbage(next Line) {
	if len(v.garbage) == 0 {
		return
	}
	cut := hash(bytes.Join(v.garbage, []byte{'\n'}))
	if next.Entry.Event != EventTorn || next.Entry.Torn != cut {
		v.find(v.where, "this is no line of the log")
	}
	v.garbage = nil
}

// link judges how a line hangs together with the one before it.
func (v *verifier) link(l Line) {
	first := !v.begun
	if first {
		v.begun, v.clean = true, true
	}
	switch e := l.Entry; {
	case e.Seq == v.seq+1 && e.Prev == v.hash:
	case first:
		v.find(l.Place(), "the log begins with line %d: %d lines before it are missing, as when its first file is removed", e.Seq, e.Seq-1)
	case e.Seq == 1:
		v.find(l.Place(), "the chain begins anew, behind line %d", v.seq)
	case e.Seq > v.seq+1:
		v.find(l.Place(), "lines %d to %d are missing before it", v.seq+1, e.Seq-1)
	case e.Seq <= v.seq:
		v.find(l.Place(), "line %d comes behind line %d: it is out of its place, or there twice", e.Seq, v.seq)
	default:
		v.find(v.last.Place(), "this line is not the one that was written: the next one has another hash of it")
	}
}

// meaning judges what a line says of the log itself.
func (v *verifier) meaning(l Line) {
	e := l.Entry
	for _, c := range v.wanted[e.Seq] {
		if c.Prev != e.Prev || c.Sign != e.Sign {
			v.find(l.Place(), "an anchor that was copied elsewhere at %s is another one: the log before it was rewritten", c.Time.Format(time.RFC3339))
		}
	}
	delete(v.wanted, e.Seq)
	switch e.Event {
	case EventAlarm:
		v.find(l.Place(), "the warden found this when it started: %s", e.Reason)
	case EventAnchor:
		v.report.Anchors++
		if !signedBy(v.key, &e) {
			v.find(l.Place(), "this anchor is not signed by the key %s: what is before it may be anybody's", Fingerprint(v.key))
			return
		}
		if v.clean {
			v.report.Anchored, v.report.AnchorLine, v.report.After = e.Time, e.Seq, 0
		}
	}
}

// end judges how the log ends.
func (v *verifier) end() {
	// A line that was cut off in the middle begins as one.
	if len(v.garbage) > 0 && !(v.half && len(v.garbage) == 1 && bytes.HasPrefix(v.garbage[0], []byte(`{"`))) {
		v.find(v.where, "this is no line of the log")
	}
	for seq, copies := range v.wanted {
		when := copies[0].Time.Format(time.RFC3339)
		switch {
		case !v.begun:
			v.find(current, "the log is empty, and line %d of it was signed at %s", seq, when)
		case seq > v.seq:
			v.find(v.last.Place(), "the log ends with line %d, and line %d was signed at %s: it was cut", v.seq, seq, when)
		default:
			v.find(v.last.Place(), "line %d was signed at %s, and is not there", seq, when)
		}
	}
}

// NewestCopy reads the anchor that lies beside a log, as far as the key signed it. There need be none.
func NewestCopy(path string, key ed25519.PublicKey) (copies []Entry, err error) {
	e, err := readCopy(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the copy of the newest anchor: %w", err)
	}
	if !signedBy(key, &e) {
		return nil, fmt.Errorf("the copy of the newest anchor, %s, is not signed by the log's key", path)
	}
	return []Entry{e}, nil
}
