package client

import (
	"context"
	"errors"
	"fmt"
	"os"

	"forkgate/gate"
	"forkgate/gate/tape"
	"forkgate/nsjail/wire"
)

// Open starts a session. ErrGone says that the warden went away before it answered, and nobody can tell what ran; with a *gate.Refusal
// beside it nothing did.
func (c *Client) Open(ctx context.Context, q OpenRequest) (*Session, error) {
	var r OpenReply
	w := wait{told: q.Told}
	files, err := c.exchange(ctx, question{kind: TypeOpen, body: q, progress: w.hear}, &r)
	if err != nil {
		return nil, w.outcome(err)
	}
	to, files, err := r.tape(files)
	if err != nil {
		return nil, err
	}
	s, err := newSession(r, files, q)
	if err != nil {
		if to != nil {
			to.File.Close()
		}
		return nil, err
	}
	s.Tape = to
	return s, nil
}

// wait follows whether a request waits for somebody's approval. hear is called by the reader of replies, and by nobody any more once the
// exchange is over.
type wait struct {
	told  func(string)
	waits bool
}

func (w *wait) hear(text string) {
	w.waits = text != ""
	if w.waits && w.told != nil {
		w.told(text)
	}
}

// outcome is what an error means to who waits: what waits is in the warden's memory alone, and has started nothing.
func (w *wait) outcome(err error) error {
	if !w.waits || !errors.Is(err, ErrGone) {
		return err
	}
	return errors.Join(&gate.Refusal{
		Reason: "the request is gone: the gate was restarted while it waited for approval", Hint: "ask again; the new request has another name",
	}, err)
}

// Tape is where a session is recorded.
type Tape struct {
	File     *os.File   // appends
	Required bool       // where it fails the session ends
	Terms    tape.Terms // what follows the header that is there
}

// tape takes the last of an answer's descriptors, where there is to be one for it.
func (r OpenReply) tape(files []*os.File) (*Tape, []*os.File, error) {
	if r.Record == "" {
		return nil, files, nil
	}
	var record gate.Recording
	if err := record.UnmarshalText([]byte(r.Record)); err != nil || len(files) == 0 {
		wire.CloseAll(files)
		return nil, nil, fmt.Errorf("%w: a session is to be recorded, and nothing says where or how", wire.ErrMalformed)
	}
	last := len(files) - 1
	return &Tape{files[last], record == gate.Required, r.Terms}, files[:last], nil
}
