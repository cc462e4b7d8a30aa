package warden

import (
	"errors"
	"fmt"
	"io/fs"
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
	record gate.Recording
	tape   *os.File // nil: it is not recorded
	limit  int64    // bytes that it may take
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
	dir    string
	bounds func() policy.Recordings
	seal   func(*os.File) // has who holds the file append to it alone

	mu   sync.Mutex
	used int64             // bytes, of those whose sessions are over
	live map[string]string // paths, by session
}

// openRecordings counts what there is.
func openRecordings(dir string, bounds func() policy.Recordings) (*recordings, error) {
	r := &recordings{dir: dir, bounds: bounds, seal: func(*os.File) {}, live: map[string]string{}}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot make a place for recordings: %w", err)
	}
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			r.used += info.Size()
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("cannot count the recordings: %w", err)
	}
	return r, nil
}

// begin begins the recording of a session, with what it is about. Where that cannot be, a session that has to be recorded is refused, and
// another one is not recorded: nil.
func (r *recordings) begin(l live, what gate.Work) (*os.File, int64, error) {
	if what.Record == gate.Unrecorded {
		return nil, 0, nil
	}
	file, limit, err := r.open(l, what)
	if err != nil && what.Record == gate.Required {
		return nil, 0, errors.Join(err, &gate.Refusal{
			Reason: "this session has to be recorded, and cannot be: " + publicly(err), Hint: "ask the operator: the journal of forkgate-warden says why",
		})
	}
	return file, limit, err
}

// errNoRoom says that recordings have taken all that they may.
var errNoRoom = errors.New("recordings have taken all the room that they may")

func publicly(err error) string {
	if errors.Is(err, errNoRoom) {
		return errNoRoom.Error()
	}
	return "the file cannot be made"
}

func (r *recordings) open(l live, what gate.Work) (_ *os.File, limit int64, err error) {
	bounds := r.bounds()
	left := int64(bounds.Quota) - r.taken()
	if limit = min(int64(bounds.Session), left); limit <= 0 {
		return nil, 0, fmt.Errorf("%w: %s; archive some of %s, or have policy's recordings block say more", errNoRoom, gate.FormatSize(bounds.Quota), r.dir)
	}
	path := filepath.Join(r.dir, l.Since.Format("2006-01-02"), l.ID+archive.Extension)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, 0, fmt.Errorf("cannot record session %s: %w", l.ID, err)
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, 0, fmt.Errorf("cannot record session %s: %w", l.ID, err)
	}
	header, err := headerOf(l, what).Line()
	if err == nil {
		_, err = file.Write(header)
	}
	if err != nil {
		return nil, 0, errors.Join(fmt.Errorf("cannot record session %s: %w", l.ID, err), file.Close(), os.Remove(path))
	}
	r.seal(file)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.live[l.ID] = path
	return file, limit, nil
}

// taken is how much the recordings have taken, of sessions that run as well.
func (r *recordings) taken() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.used
	for _, path := range r.live {
		if info, err := os.Stat(path); err == nil {
			all += info.Size()
		}
	}
	return all
}

// over counts a recording whose session is over.
func (r *recordings) over(session string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if info, err := os.Stat(r.live[session]); err == nil {
		r.used += info.Size()
	}
	delete(r.live, session)
}

// headerOf says what is recorded: by the warden's own knowledge, and not a door's.
func headerOf(l live, what gate.Work) tape.Header {
	a := l.Asked
	h := tape.Header{
		Width: 80, Height: 24, Timestamp: l.Since.Unix(), Title: strings.TrimSpace(string(a.Op) + " in " + a.Target.Ref() + " by " + a.Caller.Kind.String() + " " + a.Caller.Principal),
		Command: gate.Exact(a.Command),
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
