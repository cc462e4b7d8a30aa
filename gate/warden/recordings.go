package warden

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"forkgate/gate"
	"forkgate/gate/archive"
	"forkgate/gate/policy"
	"forkgate/gate/tape"
	"forkgate/nsjail"
)

// opened is a session that runs in its pod, and where its door records it.
type opened struct {
	*nsjail.Session
	record  gate.Recording
	tape    *os.File // nil: it is not recorded
	terms   tape.Terms
	untaped error // why it is not, and was to be
	agent   bool  // the caller's ssh-agent is along
}

// Close gives all of it back.
func (o *opened) Close() {
	o.Session.Close()
	if o.tape != nil {
		o.tape.Close()
	}
}

// recordings are where sessions are recorded: a file each, by day. A door gets a descriptor that only appends, and no path.
type recordings struct {
	dir   string
	rules recordingRules
	seal  func(*os.File) // has who holds the file append to it alone

	mu   sync.Mutex
	used taken               // of sessions that are over
	live map[string]liveTape // by session
}

type recordingRules interface {
	Recordings() policy.Recordings
	Redactions() gate.Redactions
}

// taken is what recordings take, in bytes.
type taken struct {
	all int64
	of  map[string]int64 // by principal
}

func (u *taken) add(principal string, bytes int64) {
	u.all += bytes
	u.of[principal] += bytes
}

// liveTape is a recording that grows.
type liveTape struct{ path, principal string }

// openRecordings counts what there is.
func openRecordings(dir string, rules recordingRules) (*recordings, error) {
	r := &recordings{dir: dir, rules: rules, seal: func(*os.File) {}, live: map[string]liveTape{}}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot make a place for recordings: %w", err)
	}
	return r, r.count()
}

// count looks at the files: some may have been taken away. One that says of nobody whose it is counts as well.
func (r *recordings) count() error {
	used := taken{of: map[string]int64{}}
	all, err := archive.List(r.dir, func(path string, _ error) {
		if info, err := os.Stat(path); err == nil {
			used.add("", info.Size())
		}
	})
	if err != nil {
		return fmt.Errorf("cannot count the recordings: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, one := range all {
		if _, grows := r.live[one.Session]; !grows {
			used.add(one.Principal, one.Size)
		}
	}
	r.used = used
	return nil
}

// begin begins the recording of a session, with what it is about. Where that cannot be, a session that has to be recorded is refused, and
// another one is not recorded: nil.
func (r *recordings) begin(l live, what gate.Work) (*os.File, tape.Terms, error) {
	if what.Record == gate.Unrecorded {
		return nil, tape.Terms{}, nil
	}
	file, terms, err := r.open(l, what)
	if err != nil && what.Record == gate.Required {
		return nil, tape.Terms{}, errors.Join(err, &gate.Refusal{
			Reason: "this session has to be recorded, and cannot be: " + publicly(err), Hint: "ask the operator: the journal of forkgate-warden says why",
		})
	}
	return file, terms, err
}

// errNoRoom says that recordings have taken all that they may, and errOwnRoom that those of one principal have.
var (
	errNoRoom  = errors.New("recordings have taken all the room that they may")
	errOwnRoom = errors.New("your recordings have taken all the room that yours may")
)

func publicly(err error) string {
	for _, known := range []error{errNoRoom, errOwnRoom} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	return "the file cannot be made"
}

func (r *recordings) open(l live, what gate.Work) (_ *os.File, _ tape.Terms, err error) {
	bounds := r.rules.Recordings()
	terms := tape.Terms{Redactions: r.rules.Redactions()}
	if terms.Limit, err = r.room(bounds, l.Asked.Caller.Principal); err != nil {
		return nil, terms, err
	}
	path := filepath.Join(r.dir, l.Since.Format("2006-01-02"), l.ID+archive.Extension)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, terms, fmt.Errorf("cannot record session %s: %w", l.ID, err)
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, terms, fmt.Errorf("cannot record session %s: %w", l.ID, err)
	}
	var head []byte
	if head, terms.Key, err = headerOf(l, what).Begin(bounds.Recipients, terms.Redactions); err == nil {
		_, err = file.Write(head)
	}
	if err != nil {
		return nil, terms, errors.Join(fmt.Errorf("cannot record session %s: %w", l.ID, err), file.Close(), os.Remove(path))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.live[l.ID] = liveTape{path, l.Asked.Caller.Principal}
	return file, terms, nil
}

// room is how much a new recording may take. Where there is none the files are counted anew: the operator may have taken some away.
func (r *recordings) room(bounds policy.Recordings, principal string) (limit int64, err error) {
	left := func() (all, own int64) {
		u := r.takes()
		return int64(bounds.Quota) - u.all, int64(bounds.Principal) - u.of[principal]
	}
	all, own := left()
	if min(all, own) <= 0 {
		if err := r.count(); err != nil {
			return 0, err
		}
		all, own = left()
	}
	const what = "archive some of %s, or have policy's recordings block say more"
	switch {
	case all <= 0:
		return 0, fmt.Errorf("%w: %s; "+what, errNoRoom, gate.FormatSize(bounds.Quota), r.dir)
	case own <= 0:
		return 0, fmt.Errorf("%w: those of %s %s; "+what, errOwnRoom, principal, gate.FormatSize(bounds.Principal), r.dir)
	}
	return min(int64(bounds.Session), all, own), nil
}

// taken is how much the recordings have taken.
func (r *recordings) taken() int64 { return r.takes().all }

// takes is what they have taken, those of sessions that run as well.
func (r *recordings) takes() taken {
	r.mu.Lock()
	defer r.mu.Unlock()
	u := taken{r.used.all, maps.Clone(r.used.of)}
	for _, tape := range r.live {
		if info, err := os.Stat(tape.path); err == nil {
			u.add(tape.principal, info.Size())
		}
	}
	return u
}

// over counts a recording whose session is over.
func (r *recordings) over(session string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	tape := r.live[session]
	if info, err := os.Stat(tape.path); err == nil {
		r.used.add(tape.principal, info.Size())
	}
	delete(r.live, session)
}

// never takes a recording back whose session did not begin: of nothing there is no recording.
func (r *recordings) never(session string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if tape, there := r.live[session]; there {
		_ = os.Remove(tape.path) // what cannot be removed stays, and is counted when there is no room
	}
	delete(r.live, session)
}

// headerOf says what is recorded: by the warden's own knowledge, and not a door's.
func headerOf(l live, what gate.Work) tape.Header {
	a := l.Asked
	h := tape.Header{
		Width: 80, Height: 24, Timestamp: l.Since.Unix(), Title: strings.TrimSpace(string(a.Op) + " in " + a.Target.Ref() + " by " + a.Caller.Kind.String() + " " + a.Caller.Principal),
		Command: gate.Exact(cmp.Or(a.Command, forwarded(a))),
		Forkgate: tape.About{
			Session: l.ID, Begun: l.Since, Principal: a.Caller.Principal, Kind: a.Caller.Kind.String(), Agent: a.Caller.Agent,
			Op: string(a.Op), Ref: a.Target.Ref(), GUID: a.Target.GUID, Grant: a.Grant, Record: what.Record.String(),
		},
	}
	if t := what.Terminal; t != nil {
		h.Env = map[string]string{"TERM": gate.Exact(t.Term)}
		if t.Size.Columns > 0 && t.Size.Rows > 0 {
			h.Width, h.Height = t.Size.Columns, t.Size.Rows
		}
	}
	return h
}

// forwarded is where a forward leads; empty for what is none.
func forwarded(r gate.Request) string {
	if !r.Op.IsForward() {
		return ""
	}
	return r.Forward.Address()
}
