package tape

import (
	"encoding/json"
	"fmt"
	"time"
)

// File is what the data of an event of code Files says, in JSON: what an sftp session did to a file, or tried to. Paths are as the client
// wrote them, escaped, so that any bytes are text. The contents are not on the tape.
type File struct {
	Did     string    `json:"did"` // read, write, list, remove, rename, mkdir, rmdir, symlink, link, setstat, copy, other
	Path    string    `json:"path"`
	To      string    `json:"to,omitempty"`
	Change  string    `json:"change,omitempty"` // what a setstat sets; the name of an extension
	Size    uint64    `json:"size"`             // bytes that went over
	SHA256  string    `json:"sha256,omitempty"` // of those, where they are the file's first ones, each of them once
	Partial bool      `json:"partial,omitempty"`
	Outcome string    `json:"outcome"` // ok, or what the server said instead
	Began   time.Time `json:"began"`   // the event's own time is its end
}

// Unfollowed is what File.Did says where nobody can tell what comes behind it, and Outcome why: a client or a server that speaks no SFTP.
const Unfollowed = "unfollowed"

// File records what was done to a file. It is on the tape when this returns: what is redacted is looked for in each path by itself.
func (w *Writer) File(f File) error {
	f.Path, f.To = w.hide.Apply(f.Path), w.hide.Apply(f.To)
	text, err := json.Marshal(f)
	if err != nil {
		return fmt.Errorf("cannot record what was done to a file: %w", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.event(Files, text)
}

// File reads an event of code Files.
func (e Event) File() (f File, err error) {
	if err := json.Unmarshal([]byte(e.Data), &f); err != nil {
		return f, fmt.Errorf("an event of code %q says nothing of a file: %w", e.Code, err)
	}
	return f, nil
}

// String is a line for a person, without its end. It has what the tape has: who shows it makes it printable.
func (f File) String() string {
	line := f.Did
	if f.Path != "" {
		line += " " + f.Path
	}
	if f.To != "" {
		line += " -> " + f.To
	}
	if f.Change != "" {
		line += ", " + f.Change
	}
	switch {
	case f.SHA256 != "":
		line += fmt.Sprintf(", %d bytes, sha256 %s", f.Size, f.SHA256)
	case f.Partial:
		line += fmt.Sprintf(", %d bytes, not the whole of its beginning", f.Size)
	}
	if f.Outcome != "ok" {
		line += ": " + f.Outcome
	}
	return line
}
