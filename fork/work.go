package fork

import (
	"errors"
	"fmt"
	"time"
)

// Step is one thing that was done, and how long it took.
type Step struct {
	Name string
	Took time.Duration
}

// work is a row of steps of which either all are done or none.
type work struct {
	hook  func(name string) error
	steps []Step
	undo  []func() error
}

func (s *Store) begin() *work { return &work{hook: s.opts.step} }

// do takes a step. Its undo counts from before it is tried, because a step that fails may have done half: every undo puts up
// with finding nothing.
func (w *work) do(name string, try, undo func() error) error {
	if undo != nil {
		w.undo = append(w.undo, undo)
	}
	start := time.Now()
	err := try()
	w.steps = append(w.steps, Step{name, time.Since(start)})
	if err == nil {
		err = w.hook(name)
	}
	return err
}

// end undoes everything, last first, if *err says that it failed. An undo that fails ends it: what an earlier step recorded
// is then still needed to finish the undoing at the next start.
func (w *work) end(err *error) {
	if *err == nil {
		return
	}
	*err = fullPool(*err)
	for i := len(w.undo) - 1; i >= 0; i-- {
		if failed := w.undo[i](); failed != nil {
			*err = errors.Join(*err, fmt.Errorf("cannot undo: %w", failed))
			return
		}
	}
}
