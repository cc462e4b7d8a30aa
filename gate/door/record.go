package door

import (
	"context"
	"errors"
	"io"
	"sync"

	"forkgate/gate"
	"forkgate/gate/sftp"
	"forkgate/gate/tape"
	"forkgate/gate/warden/client"
)

// errTape says that a session which has to be recorded cannot be.
var errTape = errors.New("the recording failed")

// recorder puts what a session writes on its tape before the client has it: what is not on it nobody has seen. The zero recorder records
// nothing.
type recorder struct {
	tape     *tape.Writer // nil: nothing is recorded
	required bool
	fail     func(error) // ends the session
	note     func(error)
	once     sync.Once
	tell     func(error) // tells the warden; nil: nothing is recorded
}

// record begins a session's tape. fail ends the session.
func (s *session) record(to *client.Tape, fail func(error)) *recorder {
	if to == nil {
		return &recorder{}
	}
	r := &recorder{
		required: to.Required, fail: fail,
		note: func(err error) {
			s.log.Error("a session's recording failed", "session", s.id, "required", to.Required, "error", err)
		},
		tell: func(err error) { s.tellUntaped(err, to.Required) },
	}
	var err error
	if r.tape, err = tape.NewWriter(to.File, to.Terms); err != nil {
		r.note(err)
		r.outcome(err)
	}
	return r
}

// tellUntaped tells the warden that a session is not recorded any more, before one that has to be ends of it.
func (s *session) tellUntaped(err error, ends bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.c.ctx), tellingTime)
	defer cancel()
	q := client.UntapedRequest{Session: s.id, Why: whyUntaped(err), Ends: ends}
	if err := s.c.warden.ask(ctx, func(w Warden) error { return w.Untaped(ctx, q) }); err != nil {
		s.log.Error("the warden is not told that a recording failed", "session", s.id, "error", err)
	}
}

// whyUntaped is what callers and the record hear of it.
func whyUntaped(err error) string {
	for _, known := range []error{tape.ErrFull, sftp.ErrMalformed, sftp.ErrBounds} {
		if errors.Is(err, known) {
			return gate.Printable(known.Error())
		}
	}
	return "it cannot be written"
}

// stream is a way to the client that is recorded under a code.
func (r *recorder) stream(code string, to io.Writer) io.Writer {
	if r.tape == nil {
		return to
	}
	return &recorded{r, code, to, false}
}

// resize records the window's size.
func (r *recorder) resize(columns, rows uint32) {
	if r.tape != nil {
		r.outcome(r.tape.Resize(columns, rows))
	}
}

// outcome ends a session that has to be recorded, and is not.
func (r *recorder) outcome(err error) (goOn bool) {
	if err == nil || r.tell == nil { // nothing failed, or nothing is recorded
		return true
	}
	r.once.Do(func() { r.tell(err) })
	if !r.required {
		return true
	}
	r.fail(errors.Join(errTape, err))
	return false
}

// close puts what is left on the tape.
func (r *recorder) close() {
	if r.tape == nil {
		return
	}
	if err := r.tape.Close(); err != nil {
		r.note(err)
	}
}

type recorded struct {
	*recorder
	code string
	to   io.Writer
	done bool // it failed, and need not be recorded
}

func (w *recorded) Write(p []byte) (int, error) {
	if !w.done {
		err := w.tape.Write(w.code, p)
		if !w.outcome(err) {
			return 0, err
		}
		w.done = err != nil
	}
	return w.to.Write(p)
}
