package page

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"forkgate/gate"
	"forkgate/gate/archive"
	"forkgate/gate/tape"
)

const (
	// mostTape is how much of a recording is played: the player has all of it in memory, several times.
	mostTape = 32 << 20
	// mostColumns and mostRows are how large a window gets, whatever a client said: the player draws each character of it.
	mostColumns, mostRows = 500, 200
)

// cast answers with what the player plays. Behind it stands, where there is more to say, a line that is no event: an object with "note".
func (s *Server) cast(w http.ResponseWriter, r *http.Request) {
	rec, err := s.find(r.PathValue("id"))
	if err != nil {
		fail(w, http.StatusNotFound, err)
		return
	}
	from, err := s.config.Open(rec)
	if err != nil {
		fail(w, http.StatusInternalServerError, err)
		return
	}
	defer from.Close()
	bounded := &io.LimitedReader{R: from, N: s.most}
	t, err := s.config.Read(bounded)
	if err != nil {
		fail(w, http.StatusInternalServerError, err)
		return
	}
	w.Header().Set("Content-Type", "application/x-asciicast")
	switch err := play(w, t); {
	case bounded.N == 0: // and whatever that breaks
		note(w, fmt.Sprintf("this is the recording's beginning, %s of it; forkgate replay %s plays all", gate.FormatSize(uint64(s.most)), rec.Session))
	case err != nil:
		note(w, "this is where the recording is damaged: "+err.Error())
	}
}

// note ends a cast. No event begins with a brace, so that none passes for it.
func note(w io.Writer, text string) {
	_ = json.NewEncoder(w).Encode(map[string]string{"note": gate.Printable(text)}) // whoever asked is gone
}

// play writes a recording for the player: tamed output, standard error among it in red and with a mark of its own, and sizes.
func play(w io.Writer, t *tape.Reader) error {
	columns, rows := fit(t.Header.Width, t.Header.Height)
	_, terminal := t.Header.Env["TERM"]
	out := json.NewEncoder(w)
	err := out.Encode(map[string]any{"version": 2, "width": columns, "height": rows, "timestamp": t.Header.Timestamp, "terminal": terminal})
	p := newProjector(terminal)
	for err == nil {
		e, failed := t.Next()
		if errors.Is(failed, io.EOF) {
			return nil
		}
		if failed != nil {
			return failed
		}
		if event := p.event(e); event != nil {
			err = out.Encode(event)
		}
	}
	return nil // whoever asked is gone
}

// projector makes the player's events of a recording's.
type projector struct {
	terminal bool
	text     bytes.Buffer
	streams  map[string]io.Writer // tamed, into text
}

func newProjector(terminal bool) *projector {
	p := &projector{terminal: terminal}
	p.streams = map[string]io.Writer{tape.Output: tape.Tame(&p.text), tape.Errors: tape.Tame(&p.text)}
	return p
}

// event is what is shown of one: nothing, where that is nil.
func (p *projector) event(e tape.Event) []any {
	if e.Code == tape.Resize {
		if size, ok := resized(e.Data); ok {
			return []any{e.At.Seconds(), tape.Resize, size}
		}
		return nil
	}
	if e.Code == tape.Flow {
		c, err := e.Carried()
		if err != nil {
			return nil
		}
		return []any{e.At.Seconds(), tape.Output, c.String() + "\r\n"}
	}
	stream := p.streams[e.Code]
	if stream == nil {
		return nil
	}
	p.text.Reset()
	_, _ = io.WriteString(stream, e.Data) // into memory
	if p.text.Len() == 0 {
		return nil
	}
	text := shown(p.text.String(), p.terminal)
	if e.Code == tape.Errors {
		return []any{e.At.Seconds(), tape.Output, "\x1b[31m" + text + "\x1b[39m", tape.Errors}
	}
	return []any{e.At.Seconds(), tape.Output, text}
}

// shown is output as the player has it: what turns text around, which terminals leave out, is left out, and where no terminal was that
// would have sent the cursor back to the line's beginning, that is made up for.
func shown(text string, terminal bool) string {
	text = strings.Map(func(r rune) rune {
		if turns(r) {
			return -1
		}
		return r
	}, text)
	if terminal {
		return text
	}
	return strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\n", "\r\n")
}

// turns reports whether a character changes the direction of those around it: Unicode Standard Annex 9, table 1.
func turns(r rune) bool {
	return r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == 0x200e || r == 0x200f || r == 0x61c
}

func resized(size string) (string, bool) {
	c, r, _ := strings.Cut(size, "x")
	columns, errC := strconv.ParseUint(c, 10, 32)
	rows, errR := strconv.ParseUint(r, 10, 32)
	if errC != nil || errR != nil {
		return "", false
	}
	wide, high := fit(uint32(columns), uint32(rows))
	return fmt.Sprintf("%dx%d", wide, high), true
}

// fit is a size that can be drawn. One that a client left out is 80 by 24.
func fit(columns, rows uint32) (uint32, uint32) {
	if columns == 0 || rows == 0 {
		return 80, 24
	}
	return min(columns, mostColumns), min(rows, mostRows)
}

// fileOperation is an operation on a file: when, in seconds from the beginning, and all that the recording says of it.
type fileOperation struct {
	At   float64 `json:"at"`
	What any     `json:"what"`
}

// operations reads those of a session that moved files.
func (s *Server) operations(rec archive.Recording) ([]fileOperation, error) {
	all := []fileOperation{} // and not null in JSON
	if rec.Op != string(gate.OpSFTP) {
		return all, nil
	}
	from, err := s.config.Open(rec)
	if err != nil {
		return all, err
	}
	defer from.Close()
	t, err := s.config.Read(from)
	if err != nil {
		return all, err
	}
	for {
		e, err := t.Next()
		switch {
		case errors.Is(err, io.EOF):
			return all, nil
		case err != nil:
			return all, err
		case e.Code != tape.Files:
			continue
		case len(all) == mostOperation:
			return all, fmt.Errorf("there are more operations; the first %d are shown", mostOperation)
		}
		var what any
		if json.Unmarshal([]byte(e.Data), &what) != nil {
			what = e.Data
		}
		all = append(all, fileOperation{e.At.Seconds(), printable(what)})
	}
}
