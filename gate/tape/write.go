package tape

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"

	"forkgate/gate"
)

// Header is a recording's first line.
type Header struct {
	Version   int               `json:"version"` // 2
	Width     uint32            `json:"width"`   // characters
	Height    uint32            `json:"height"`
	Timestamp int64             `json:"timestamp"` // seconds since 1970
	Title     string            `json:"title,omitempty"`
	Command   string            `json:"command,omitempty"`
	Env       map[string]string `json:"env,omitempty"`
	Forkgate  About             `json:"forkgate"`
}

// About says what was recorded, in the words of the audit log.
type About struct {
	Session   string    `json:"session"`
	Begun     time.Time `json:"begun"`
	Principal string    `json:"principal"`
	Kind      string    `json:"kind"`
	Agent     string    `json:"agent,omitempty"`
	Op        string    `json:"op"`
	Ref       string    `json:"ref"`
	GUID      string    `json:"guid"`
	Grant     string    `json:"grant,omitempty"`
	Record    string    `json:"record"`           // best-effort or required
	Sealed    []string  `json:"sealed,omitempty"` // keys of age that what follows is encrypted to
}

// Terms are how a recording goes on behind its beginning.
type Terms struct {
	Limit      int64           `json:"limit,omitempty"`      // bytes that it may take
	Key        []byte          `json:"key,omitempty"`        // of Begin, where it is encrypted
	Redactions gate.Redactions `json:"redactions,omitempty"` // what it does not show
}

// Begin is how a file begins: with the header, as redacted. Of one that is encrypted to keys of age the first line does not have what the caller
// said; the header follows, encrypted, and what follows that is under the key that is returned.
func (h Header) Begin(recipients []string, hide gate.Redactions) (head, key []byte, err error) {
	h.Version, h.Forkgate.Sealed = 2, recipients
	h.Command, h.Title = hide.Apply(h.Command), hide.Apply(h.Title)
	line, err := json.Marshal(h)
	line = append(line, '\n')
	if err != nil || len(recipients) == 0 {
		return line, nil, err
	}
	key, lock, err := newKey(recipients)
	if err != nil {
		return nil, nil, err
	}
	s, err := newSeal(key)
	if err != nil {
		return nil, nil, err
	}
	h.Command, h.Title, h.Env = "", "", nil
	public, err := json.Marshal(h)
	return slices.Concat(public, []byte("\n"), lock, s.piece(line)), key, err
}

// Codes of events.
const (
	Output = "o"
	Errors = "e"
	Resize = "r"
	Files  = "f" // what an sftp session does: see File
	Flow   = "b" // how many bytes a forward has carried: see Carried
)

// ErrFull says that a recording has taken as much as it may.
var ErrFull = errors.New("the recording is as long as it may get")

// Writer writes events behind a header. Its methods may be called at the same time. After an error nothing more is written.
type Writer struct {
	mu    sync.Mutex
	to    io.Writer
	left  int64
	start time.Time
	line  []byte
	seal  *seal // nil: it is not encrypted
	hide  gate.Redactions
	of    map[string]*stream // by code
	err   error
}

// NewWriter writes behind what Begin has made. A recording that has to be encrypted, and cannot be, is none.
func NewWriter(to io.Writer, terms Terms) (*Writer, error) {
	w := &Writer{to: to, left: terms.Limit, start: time.Now(), hide: terms.Redactions, of: map[string]*stream{}}
	if len(terms.Key) > 0 {
		seal, err := newSeal(terms.Key)
		if err != nil {
			return nil, err
		}
		seal.number = 1 // behind the header
		w.seal = seal
	}
	return w, nil
}

// Write records a piece of a stream.
func (w *Writer) Write(code string, p []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.of[code]
	if s == nil {
		s = &stream{}
		w.of[code] = s
	}
	text := s.whole(p)
	if len(w.hide) > 0 {
		text = []byte(s.release(string(text), w.hide))
	}
	if len(text) == 0 {
		return w.err
	}
	return w.event(code, text)
}

// Resize records that the window has another size.
func (w *Writer) Resize(columns, rows uint32) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.event(Resize, fmt.Appendf(nil, "%dx%d", columns, rows))
}

// Close records what was held back, or was cut and has no end.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, code := range slices.Sorted(maps.Keys(w.of)) {
		if rest := w.of[code].rest(w.hide); rest != "" {
			_ = w.event(code, []byte(rest))
		}
	}
	return w.err
}

// event writes one line with one write(2).
func (w *Writer) event(code string, data []byte) error {
	if w.err != nil {
		return w.err
	}
	w.line = strconv.AppendFloat(append(w.line[:0], '['), time.Since(w.start).Seconds(), 'f', 6, 64)
	w.line = append(appendQuoted(append(w.line, `, "`+code+`", `...), data), "]\n"...)
	line := w.line
	if w.seal != nil {
		line = w.seal.piece(line)
	}
	if w.left -= int64(len(line)); w.left < 0 {
		w.err = ErrFull
		return w.err
	}
	_, w.err = w.to.Write(line)
	return w.err
}

// incomplete is how many bytes at the end begin a character whose rest is still to come.
func incomplete(p []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(p); n++ {
		tail := p[len(p)-n:]
		if utf8.RuneStart(tail[0]) {
			if !utf8.FullRune(tail) {
				return n
			}
			return 0
		}
	}
	return 0
}
