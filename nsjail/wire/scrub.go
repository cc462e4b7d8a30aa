package wire

import "time"

// ScrubTime is how long all the rules may take, together.
const ScrubTime = 10 * time.Minute

// TypeScrubbed is what the machine's init says when it has scrubbed the pod's data, before it is ready.
const TypeScrubbed = "scrubbed"

// MaxText is how long a file is at most that Read tells of, and MaxTexts all of them together: they fit into a message.
const (
	MaxText  = 256 << 10
	MaxTexts = MaxLarge / 2
)

// Scrub is what is to become of the files of a copy before anybody sees it. Exactly one of Remove, Empty, Set or Generate, Run,
// Leaks, and Read is there.
type Scrub struct {
	Name     string            `json:"name"`
	Files    []string          `json:"files,omitempty"`    // globs below the data
	Volumes  []string          `json:"volumes,omitempty"`  // globs below Docker's volumes: NAME/PATH
	Remove   bool              `json:"remove,omitempty"`   // files and directories
	Empty    bool              `json:"empty,omitempty"`    // files stay, with nothing in them
	Set      map[string]string `json:"set,omitempty"`      // values of names, which are globs, in dotenv, ini, JSON and YAML
	Generate []string          `json:"generate,omitempty"` // names that get values of their own
	Run      []string          `json:"run,omitempty"`      // a program of the rootfs, in the data
	Leaks    string            `json:"leaks,omitempty"`    // what becomes of credentials that are found: Report, Redact, Refuse
	Ignore   []string          `json:"ignore,omitempty"`   // kinds of credentials that are none
	Images   []string          `json:"images,omitempty"`   // globs below the layers of Docker's images: LAYER/diff/PATH. Those are reported alone
	Read     [][]byte          `json:"read,omitempty"`     // names below the data, of which the step has the texts, in this order
}

// What becomes of credentials that are found in a copy.
const (
	Report = "report" // they are told of
	Redact = "redact" // the same, and they are written over
	Refuse = "refuse" // nobody gets the copy
)

// Scrubbing is what the scrubber reads: where the copy is, and what is to be done to it.
type Scrubbing struct {
	Data    string  `json:"data"`
	Volumes string  `json:"volumes"`
	Images  string  `json:"images"`
	Rules   []Scrub `json:"rules"`
}

// Scrubbed says what was done. Error is for the operator; empty: all of it.
type Scrubbed struct {
	Steps []ScrubStep `json:"steps"`
	Error string      `json:"error,omitempty"`
}

// ScrubStep is a rule, how many files it changed or removed, and how long that took.
type ScrubStep struct {
	Name  string        `json:"name"`
	Files int           `json:"files"`
	Took  time.Duration `json:"ns"`
	Bytes int64         `json:"bytes,omitempty"` // that were searched for credentials
	Found []Leak        `json:"found,omitempty"` // the first of them
	Total int           `json:"total,omitempty"` // how many they are
	Texts []Text        `json:"texts,omitempty"` // of Read
}

// Text is what is in a file, or why that is not here.
type Text struct {
	Is   string `json:"is"` // Plain, None, Binary, Long, Enough
	Text []byte `json:"text,omitempty"`
}

// What there is to read in a file.
const (
	Plain  = "plain"  // UTF-8, all of it
	None   = "none"   // it is not there, or no file
	Binary = "binary" // other bytes
	Long   = "long"   // more than MaxText
	Enough = "enough" // those before it have filled MaxTexts
)

// Leak is a credential that was found in a file, and never its value.
type Leak struct {
	Place string `json:"place"` // data, volumes, images
	File  string `json:"file"`  // below it
	Line  int    `json:"line,omitempty"`
	Kind  string `json:"kind"`
}
