package warden

import (
	"context"
	"errors"
	"fmt"
	"io"

	"forkgate/gate"
	"forkgate/nsjail"
)

// told is what a function of a Rediaccfile said to who asked.
type told struct {
	Ref  string   `json:"ref"`
	Says []string `json:"says"` // lines
}

// info shows what a repository or fork says of itself.
func info(ctx context.Context, w *word) (page, error) { return askHook(ctx, w, hookInfo) }

// health asks a repository or fork whether it is well, and is a refusal where it is not: scripts go by the exit code.
func health(ctx context.Context, w *word) (page, error) { return askHook(ctx, w, hookHealth) }

// askHook calls a function in a pod that runs, as the user of sessions: whoever asks may run commands there.
func askHook(ctx context.Context, w *word, h hook) (page, error) {
	t, err := w.tree(ctx, w.args[0])
	if err != nil {
		return page{}, err
	}
	none := &gate.Refusal{Reason: fmt.Sprintf("%s has no Rediaccfile with a function %s", t.Ref(), h.name), Hint: "packaging/docs/forks.md, Rediaccfile"}
	file, err := hooksOf(w.trees.Dirs(t).Data)
	if err != nil {
		return page{}, err
	}
	if file == "" {
		return page{}, none
	}
	said := told{Ref: t.Ref(), Says: []string{}}
	exit, err := w.pods.callTo(ctx, t, file, h, func(line string) { said.Says = append(said.Says, gate.Printable(line)) })
	switch {
	case errors.Is(err, nsjail.ErrNotRunning):
		return page{}, &gate.Refusal{Reason: t.Ref() + " does not run", Hint: "who enters it starts it"}
	case errors.As(err, new(late)):
		return page{}, &gate.Refusal{Reason: fmt.Sprintf("%s of %s: %v", h.name, t.Ref(), err)}
	case err != nil:
		return page{}, err
	case exit.Code == h.missing:
		return page{}, none
	case exit.Code != 0 || exit.Signal != "":
		return page{}, unwell(said, h)
	}
	return page{data: said, text: func(out io.Writer) {
		for _, line := range said.Says {
			fmt.Fprintln(out, line)
		}
	}}, nil
}

// unwell is what a function comes to that fails: its last line says why.
func unwell(said told, h hook) error {
	reason := fmt.Sprintf("%s of %s fails", h.name, said.Ref)
	if n := len(said.Says); n > 0 {
		reason += ": " + said.Says[n-1]
	}
	return &gate.Refusal{Reason: reason}
}
