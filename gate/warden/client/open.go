package client

import (
	"context"
	"errors"

	"forkgate/gate"
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
	s, err := newSession(r.Session, files, q.Terminal != nil)
	if err == nil {
		s.Said = r.Said
	}
	return s, err
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
