package gate

import "errors"

// Exit codes that a client sees when the command's own is not to be had (packaging/docs/callers.md, "Exit codes").
const (
	ExitRefused = 254 // policy or input said no; nothing ran
	ExitFailed  = 255 // the gate itself failed
)

// Refusal is an error meant for the caller: why not, and what to do instead. Every other error is for the log, and the
// caller sees only that the gate failed.
type Refusal struct {
	Reason string // lower case, no full stop
	Hint   string // the next step, empty where there is none
	Logged string // the reason as logs may have it, where policy redacts a part of it; empty: as it is
}

func (r *Refusal) Error() string { return r.Reason }

// ForLog is what a log has of an error.
func ForLog(err error) string {
	if r, ok := AsRefusal(err); ok && r.Logged != "" {
		return Printable(r.Logged)
	}
	return Printable(err.Error())
}

// AsRefusal finds the refusal in err, if there is one.
func AsRefusal(err error) (*Refusal, bool) {
	var r *Refusal
	ok := errors.As(err, &r)
	return r, ok
}

// InLine is a refusal that stands in a line of its caller's.
func (r *Refusal) InLine() string {
	if r.Hint == "" {
		return r.Reason
	}
	return r.Reason + " (hint: " + r.Hint + ")"
}

// Explain is the one place where an error becomes text for a caller. session is what to quote to the operator when the
// gate failed; the true cause stays in the log.
func Explain(err error, session string) (text string, code int) {
	r, ok := AsRefusal(err)
	if !ok {
		return "forkgate: the gate failed, session " + session + "\n" +
			"hint: the operator finds the cause in the journal under that session\n", ExitFailed
	}
	text = "forkgate: " + Printable(r.Reason) + "\n"
	if r.Hint != "" {
		text += "hint: " + Printable(r.Hint) + "\n"
	}
	return text, ExitRefused
}
