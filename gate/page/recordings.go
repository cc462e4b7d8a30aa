package page

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"forkgate/gate"
	"forkgate/gate/archive"
	"forkgate/gate/audit"
)

// recording is one, as the page has it. All text is printable.
type recording struct {
	Session   string    `json:"session"`
	Begun     time.Time `json:"begun"`
	Principal string    `json:"principal"`
	Kind      string    `json:"kind"`
	Agent     string    `json:"agent,omitempty"`
	Op        string    `json:"op"`
	Ref       string    `json:"ref"`
	Repo      string    `json:"repo"`
	GUID      string    `json:"guid"`
	Grant     string    `json:"grant,omitempty"`
	Record    string    `json:"record"`
	Command   string    `json:"command,omitempty"`
	Size      int64     `json:"size"`              // bytes
	Seconds   *float64  `json:"seconds,omitempty"` // that the session lasted; none: it runs, or the log has no end of it
	Live      bool      `json:"live"`
	Sealed    bool      `json:"sealed,omitempty"` // it is encrypted
}

// page's bounds: of a command in the list and by itself, in bytes, of the lines of the log that are shown, and of the operations.
const (
	shortCommand  = 400
	longCommand   = 64 << 10
	mostLines     = 500
	mostOperation = 5000
)

func (s *Server) recording(r archive.Recording, command int) recording {
	p := gate.Printable
	repo, _, _ := strings.Cut(r.Ref, ":")
	one := recording{
		Session: p(r.Session), Begun: r.Begun, Principal: p(r.Principal), Kind: p(r.Kind), Agent: p(r.Agent), Op: p(r.Op), Ref: p(r.Ref), Repo: p(repo),
		GUID: p(r.GUID), Grant: p(r.Grant), Record: p(r.Record), Command: p(shorten(r.Command, command)), Size: r.Size, Live: s.config.Live(r.Session), Sealed: len(r.Sealed) > 0,
	}
	if took, over := s.config.Log.Took(r.Session); over {
		seconds := took.Seconds()
		one.Seconds, one.Live = &seconds, false
	}
	return one
}

func shorten(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + " ..."
}

// list answers with all of them, the newest first. What cannot be read, a file or the log, is said, and the rest shown.
func (s *Server) list(w http.ResponseWriter, _ *http.Request) {
	var problems []string
	if err := s.config.Log.Read(); err != nil {
		problems = append(problems, gate.Printable(err.Error()))
	}
	all, unread, err := s.listed()
	if err != nil {
		fail(w, http.StatusInternalServerError, err)
		return
	}
	if len(unread) > 0 {
		problems = append(problems, fmt.Sprintf("%d files cannot be read; the first of them: %s", len(unread), unread[0]))
	}
	shown := make([]recording, 0, len(all))
	for _, r := range slices.Backward(all) {
		shown = append(shown, s.recording(r, shortCommand))
	}
	answer(w, map[string]any{"recordings": shown, "problems": problems})
}

func (s *Server) listed() (all []archive.Recording, unread []string, err error) {
	all, err = s.config.List(func(path string, err error) { unread = append(unread, gate.Printable(path+": "+err.Error())) })
	if err != nil {
		return nil, nil, err
	}
	known := make(map[string]archive.Recording, len(all))
	for _, r := range all {
		known[r.Session] = r
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known = known
	return all, unread, nil
}

var errNotFound = errors.New("there is no recording of such a session")

// find finds a recording by the whole name of its session, among those that there are: no name leads to a file.
func (s *Server) find(session string) (archive.Recording, error) {
	s.mu.Lock()
	r, ok := s.known[session]
	s.mu.Unlock()
	if ok {
		return r, nil
	}
	if _, _, err := s.listed(); err != nil {
		return archive.Recording{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if r, ok = s.known[session]; !ok {
		return archive.Recording{}, errNotFound
	}
	return r, nil
}

// line is a line of the log: its place, and all that it says.
type line struct {
	Place string `json:"place"`
	Entry any    `json:"entry"`
}

// one answers with a recording, what the log has of its session, and the operations on files in it.
func (s *Server) one(w http.ResponseWriter, r *http.Request) {
	rec, err := s.find(r.PathValue("id"))
	if err != nil {
		fail(w, http.StatusNotFound, err)
		return
	}
	problems := []string{}
	note := func(err error) {
		if err != nil {
			problems = append(problems, gate.Printable(err.Error()))
		}
	}
	note(s.config.Log.Read())
	lines, err := s.config.Log.Of(rec.Session)
	note(err)
	shown := make([]line, 0, len(lines))
	if n := len(lines); n > mostLines { // how it began, and how it ended
		problems = append(problems, fmt.Sprintf("%d lines of the log are of this session; the first and the last %d are shown", n, mostLines/2))
		lines = slices.Concat(lines[:mostLines/2], lines[n-mostLines/2:])
	}
	for _, l := range lines {
		shown = append(shown, line{l.Place(), printableLine(l)})
	}
	files, err := s.operations(rec)
	note(err)
	answer(w, map[string]any{"recording": s.recording(rec, longCommand), "lines": shown, "operations": files, "problems": problems})
}

// printableLine is a line of the log, whatever it says, as JSON whose text is printable.
func printableLine(l audit.Line) any {
	var v any
	d := json.NewDecoder(bytes.NewReader(l.Raw))
	d.UseNumber()
	if d.Decode(&v) != nil {
		return gate.Printable(string(l.Raw))
	}
	return printable(v)
}

func printable(v any) any {
	switch v := v.(type) {
	case string:
		return gate.Printable(v)
	case []any:
		for i := range v {
			v[i] = printable(v[i])
		}
	case map[string]any:
		clean := make(map[string]any, len(v))
		for name, value := range v {
			clean[gate.Printable(name)] = printable(value)
		}
		return clean
	}
	return v
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // whoever asked is gone
}

func fail(w http.ResponseWriter, code int, err error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	answer(w, map[string]string{"error": gate.Printable(err.Error())})
}
