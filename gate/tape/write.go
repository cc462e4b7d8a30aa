package tape

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"
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
	Record    string    `json:"record"` // best-effort or required
}

// Line is the header as it stands in a file.
func (h Header) Line() ([]byte, error) {
	h.Version = 2
	line, err := json.Marshal(h)
	return append(line, '\n'), err
}

// Codes of events.
const (
	Output = "o"
	Errors = "e"
	Resize = "r"
)

// ErrFull says that a recording has taken as much as it may.
var ErrFull = errors.New("the recording is as long as it may get")

// Writer writes events behind a header. Its methods may be called at the same time. After an error nothing more is written.
type Writer struct {
	mu    sync.Mutex
	to    io.Writer
	left  int64
	start time.Time
	line  bytes.Buffer
	json  *json.Encoder
	cut   map[string][]byte // by code: the beginning of a character
	err   error
}

// NewWriter begins a recording that may take so many bytes.
func NewWriter(to io.Writer, limit int64) *Writer {
	w := &Writer{to: to, left: limit, start: time.Now(), cut: map[string][]byte{}}
	w.json = json.NewEncoder(&w.line)
	w.json.SetEscapeHTML(false)
	return w
}

// Write records a piece of a stream.
func (w *Writer) Write(code string, p []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if before := w.cut[code]; len(before) > 0 {
		p = append(before, p...)
		w.cut[code] = nil
	}
	whole := len(p) - incomplete(p)
	if whole < len(p) {
		w.cut[code] = bytes.Clone(p[whole:])
	}
	if whole == 0 {
		return w.err
	}
	return w.event(code, string(p[:whole]))
}

// Resize records that the window has another size.
func (w *Writer) Resize(columns, rows uint32) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.event(Resize, fmt.Sprintf("%dx%d", columns, rows))
}

// Close records what was cut and has no end.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, code := range []string{Output, Errors} {
		if rest := w.cut[code]; len(rest) > 0 {
			_ = w.event(code, string(rest))
		}
	}
	return w.err
}

// event writes one line with one write(2).
func (w *Writer) event(code, data string) error {
	if w.err != nil {
		return w.err
	}
	w.line.Reset()
	w.line.WriteByte('[')
	w.line.Write(strconv.AppendFloat(nil, time.Since(w.start).Seconds(), 'f', 6, 64))
	w.line.WriteString(`, "` + code + `", `)
	if w.err = w.json.Encode(data); w.err != nil {
		return w.err
	}
	line := append(bytes.TrimSuffix(w.line.Bytes(), []byte{'\n'}), "]\n"...)
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
