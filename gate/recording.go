package gate

import "fmt"

// Recording says whether a session is recorded. The strictest of what rules say counts, and the zero Recording is the least strict.
type Recording uint8

const (
	Unrecorded Recording = iota // no rule speaks of it
	BestEffort                  // where that fails the session goes on
	Required                    // where that fails the session ends
)

// Recordings lists the words for it that policy can say.
func Recordings() []string { return []string{BestEffort.String(), Required.String()} }

func (r Recording) String() string {
	switch r {
	case BestEffort:
		return "best-effort"
	case Required:
		return "required"
	}
	return "none"
}

// MarshalText makes a Recording its word in JSON.
func (r Recording) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads one of the words, and nothing else.
func (r *Recording) UnmarshalText(b []byte) error {
	for _, one := range []Recording{Unrecorded, BestEffort, Required} {
		if one.String() == string(b) {
			*r = one
			return nil
		}
	}
	return fmt.Errorf("%q says nothing of recordings: best-effort or required", b)
}
