package warden

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"forkgate/gate"
	"forkgate/nsjail"
	"forkgate/nsjail/wire"
)

// live is a session that runs, or is about to: all that it takes to ask policy about it again, and to end it.
type live struct {
	ID    string       `json:"id"`
	Asked gate.Request `json:"asked"` // as policy permitted it
	Who   visitor      `json:"who"`
	Marks []string     `json:"marks,omitempty"` // NAME=VALUE that the client sent: hints of agents
	Alone bool         `json:"alone,omitempty"`
	Agent bool         `json:"agent,omitempty"` // the caller's ssh-agent is along
	Since time.Time    `json:"since"`
	End   string       `json:"end,omitempty"` // why it is being ended
}

// sessions is the book of those that live. One is written down below the run directory before anything of it runs, and so the next warden
// knows of it; a reboot forgets both.
type sessions struct {
	dir     string
	over    func(l live, exit *wire.Exit) // called once for each that ran, when nothing of it lives
	journal *slog.Logger

	watches  sync.WaitGroup
	mu       sync.Mutex
	all      map[string]*entry
	operator map[string]bool // by GUID: the operator is in a fork that is not settled
	leaving  bool
}

// entry is a session with what this warden has of it.
type entry struct {
	live
	runs    bool
	by      *connection // that opened it; nil: another warden's
	untaped bool        // that it is not recorded is known
	end     *nsjail.End // where its pod says that it is over; nil: the kernel has to be asked
}

func newSessions(dir string, journal *slog.Logger) *sessions {
	return &sessions{dir: dir, journal: journal, over: func(live, *wire.Exit) {}, all: map[string]*entry{}, operator: map[string]bool{}}
}

// expect takes in who is about to ask for a session. Until it enters a pod nothing is written.
func (s *sessions) expect(l live, by *connection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all[l.ID] = &entry{live: l, by: by}
}

// enter writes down that an expected session goes into a pod now.
func (s *sessions) enter(id string, who gate.Caller, where gate.Target, what gate.Work) (live, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.all[id]
	if !ok {
		return live{}, fmt.Errorf("cannot enter %s: nothing is known of session %s", where.Ref(), id)
	}
	e.Asked.Caller, e.Asked.Target, e.Asked.Grant = who, where, what.Grant
	e.Agent = what.Agent
	return e.live, s.write(e.live)
}

// write puts a session down whole, or not at all.
func (s *sessions) write(l live) error {
	text, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("cannot write session %s down: %w", l.ID, err)
	}
	path := filepath.Join(s.dir, l.ID)
	if err := os.WriteFile(path+half, text, 0o600); err != nil {
		return fmt.Errorf("cannot write session %s down: %w", l.ID, err)
	}
	if err := os.Rename(path+half, path); err != nil {
		return fmt.Errorf("cannot write session %s down: %w", l.ID, err)
	}
	return nil
}

// half is what the names of files end in that are not written whole.
const half = ".half"

// runs notes that a session runs, and has its end noticed.
func (s *sessions) runs(id string, end *nsjail.End) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.all[id]
	if !ok || s.leaving {
		end.Close()
		return
	}
	e.runs = true
	if end == nil {
		return
	}
	e.end = end
	s.watches.Go(func() {
		exit, err := end.Wait()
		end.Close()
		if err != nil { // the pod died, or this warden ends: looking finds out
			s.mu.Lock()
			defer s.mu.Unlock()
			e.end = nil
			return
		}
		s.ended(id, exit)
	})
}

// forget strikes out a session that did not come about.
func (s *sessions) forget(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.all[id]
	if !ok || e.runs {
		return
	}
	s.strike(id)
}

// ended strikes out a session of which nothing lives, and says so.
func (s *sessions) ended(id string, exit *wire.Exit) {
	s.mu.Lock()
	e, ok := s.all[id]
	if ok {
		s.strike(id)
	}
	s.mu.Unlock()
	if ok {
		s.over(e.live, exit)
	}
}

func (s *sessions) strike(id string) {
	delete(s.all, id)
	if err := os.Remove(filepath.Join(s.dir, id)); err != nil && !errors.Is(err, os.ErrNotExist) {
		s.journal.Error("a session that is over is still written down", "session", id, "error", err)
	}
}

// list returns those that run, the oldest first.
func (s *sessions) list() []live {
	return s.those(func(e *entry) bool { return e.runs })
}

// in reports whether somebody has a session in a tree, or is about to.
func (s *sessions) in(guid string) bool {
	return s.operated(guid) || len(s.those(func(e *entry) bool { return e.Asked.Target.GUID == guid })) > 0
}

// operated reports whether the operator is in a fork that is not settled.
func (s *sessions) operated(guid string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.operator[guid]
}

// operates notes that the operator goes into a fork that is not settled, and not while somebody is there already.
func (s *sessions) operates(guid string) (over func(), ok bool) {
	if s.in(guid) {
		return nil, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.operator[guid] {
		return nil, false
	}
	s.operator[guid] = true
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.operator, guid)
	}, true
}

func (s *sessions) those(want func(*entry) bool) (all []live) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.all {
		if want(e) {
			all = append(all, e.live)
		}
	}
	slices.SortFunc(all, func(a, b live) int { return a.Since.Compare(b.Since) })
	return all
}

// find finds one that runs.
func (s *sessions) find(id string) (live, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.all[id]
	if !ok || !e.runs {
		return live{}, false
	}
	return e.live, true
}

// came finds a session that policy has permitted, whether or not it runs.
func (s *sessions) came(id string) (live, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.all[id]
	if !ok || e.Asked.Caller.Principal == "" {
		return live{}, false
	}
	return e.live, true
}

// untapes takes in that a session that runs is not recorded. It reports whether that is news.
func (s *sessions) untapes(id string) (live, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.all[id]
	if !ok || !e.runs || e.untaped {
		return live{}, false
	}
	e.untaped = true
	return e.live, true
}

// ends notes why a session is ended. It reports whether nobody has done so before.
func (s *sessions) ends(id, why string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.all[id]
	if !ok || e.End != "" {
		return false
	}
	e.End = why
	if err := s.write(e.live); err != nil {
		s.journal.Error("it is not written down why a session ends", "session", id, "error", err)
	}
	return true
}

// look strikes out what has ended without a word, as lives says.
func (s *sessions) look(lives func(guid, session string) (bool, error)) {
	for _, l := range s.those(func(e *entry) bool { return e.runs && e.end == nil }) {
		there, err := lives(l.Asked.Target.GUID, l.ID)
		if err != nil {
			s.journal.Error("cannot see whether a session lives", "session", l.ID, "error", err)
		} else if !there {
			s.ended(l.ID, nil)
		}
	}
}

// restore takes in what the last warden has written down.
func (s *sessions) restore() error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return fmt.Errorf("cannot make a place for sessions: %w", err)
	}
	files, err := os.ReadDir(s.dir)
	if err != nil {
		return fmt.Errorf("cannot read which sessions there are: %w", err)
	}
	for _, f := range files {
		path := filepath.Join(s.dir, f.Name())
		var l live
		text, err := os.ReadFile(path)
		if err == nil {
			err = json.Unmarshal(text, &l)
		}
		if err == nil && l.ID != f.Name() {
			err = errors.New("it is another session's, or half a one")
		}
		if err != nil {
			if !strings.HasSuffix(f.Name(), half) {
				s.journal.Error("cannot read what is written down of a session", "session", f.Name(), "error", err)
			}
			_ = os.Remove(path) // what is not known to be anybody's is ended: see settleSessions
			continue
		}
		s.all[l.ID] = &entry{live: l, runs: true}
	}
	return nil
}

// leave has nobody wait for a session's end any more, and returns when nobody does.
func (s *sessions) leave() {
	s.mu.Lock()
	s.leaving = true
	for _, e := range s.all {
		e.end.Close()
	}
	s.mu.Unlock()
	s.watches.Wait()
}
