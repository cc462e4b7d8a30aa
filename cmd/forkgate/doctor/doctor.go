// Package doctor looks at a host and says what forkgate needs that is missing there, what weakens it, and what to type about that.
//
// It changes nothing: what has to be tried to be known (a user namespace, an idmapped mount) is gone when the try is over. It asks
// no pod, and the warden for nothing but which repositories there are, so that it works where they do not. It trusts the host's own files and programs; a rootfs it
// opens as one opens a fork's tree, because whoever made it chose the names in there.
package doctor

import (
	"context"
	"fmt"
	"io"
	"slices"

	"forkgate/gate"
)

// Level is how bad a finding is. The zero Level is the worst.
type Level int

// Levels.
const (
	Red    Level = iota // forkgate does not work, or does not protect
	Yellow              // it works with less, one wall less stands, or it could not be seen
	Green
)

func (l Level) String() string {
	switch l {
	case Green:
		return "green"
	case Yellow:
		return "yellow"
	}
	return "red"
}

// MarshalText makes a word of a level, for JSON.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// Row is one check with what it found. Do, a command to type as root, is empty where the level is green.
type Row struct {
	Check string `json:"check"`
	Level Level  `json:"level"`
	Found string `json:"found"`
	Do    string `json:"do,omitempty"`
	Why   string `json:"why"`
}

// check is a question about the host, and why one asks it.
type check struct {
	name  string
	why   string
	probe func(context.Context, *Host) finding
}

// finding is the answer. The zero finding is red.
type finding struct {
	level     Level
	found, do string
}

func green(format string, args ...any) finding {
	return finding{Green, fmt.Sprintf(format, args...), ""}
}

func yellow(do, format string, args ...any) finding {
	return finding{Yellow, fmt.Sprintf(format, args...), do}
}

func red(do, format string, args ...any) finding {
	return finding{Red, fmt.Sprintf(format, args...), do}
}

// checks are all of them, in the order in which they are printed: what others rest on comes first.
func checks() []check {
	return slices.Concat(kernelChecks(), moduleChecks(), poolChecks(), cgroupChecks(), unitChecks(), hostKeyChecks(), settingChecks(), networkChecks(), publishedChecks())
}

// Examine makes every check.
func Examine(ctx context.Context, h *Host) []Row {
	var rows []Row
	for _, c := range checks() {
		f := c.probe(ctx, h)
		rows = append(rows, Row{Check: c.name, Level: f.level, Found: gate.Printable(f.found), Do: gate.Printable(f.do), Why: c.why})
	}
	return rows
}

// Count says how many rows have a level.
func Count(rows []Row, l Level) (n int) {
	for _, r := range rows {
		if r.Level == l {
			n++
		}
	}
	return n
}

// Write prints a line for each row, or for those that are not green, where these alone are wanted; below those what to do and why; and how many there are.
func Write(w io.Writer, rows []Row, wanting bool) error {
	width := 0
	for _, r := range rows {
		width = max(width, len(r.Check))
	}
	for _, r := range rows {
		if r.Level == Green && wanting {
			continue
		}
		if _, err := fmt.Fprintf(w, "%-6s  %-*s  %s\n", r.Level, width, r.Check, r.Found); err != nil {
			return err
		}
		if r.Level == Green {
			continue
		}
		if _, err := fmt.Fprintf(w, "        why: %s\n        do:  %s\n", r.Why, r.Do); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "%d red, %d yellow, %d green\n", Count(rows, Red), Count(rows, Yellow), Count(rows, Green))
	return err
}
