package doors

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"forkgate/gate"
)

// choose finds the ways that are to be closed.
func (d *Doors) choose(ctx context.Context, names []string) (chosen []way, done Closing, err error) {
	known := ways(ctx, d.Host)
	for _, name := range names {
		if name != All && !slices.ContainsFunc(known, func(w way) bool { return w.name == name }) {
			return nil, done, &gate.Refusal{Reason: fmt.Sprintf("there is no way %q onto this host", name), Hint: "forkgate doors lists them"}
		}
	}
	for _, w := range known {
		named := slices.Contains(names, w.name)
		if !named && (!slices.Contains(names, All) || slices.Contains(d.Except, w.name)) {
			continue
		}
		state := w.probe(ctx, d.Host).state
		switch {
		case named && w.shut == nil:
			return nil, done, &gate.Refusal{Reason: w.name + " is for you to close", Hint: "forkgate doors says how"}
		case state == Open && (w.shut == nil || w.byName && !named):
			done.Left = append(done.Left, w.name)
		case state == Open || named && state == Gated:
			chosen = append(chosen, w)
		}
	}
	return chosen, done, nil
}

// somebodyIsLeft refuses where no admin could come in.
func (d *Doors) somebodyIsLeft(ctx context.Context, chosen []way) error {
	who, err := d.Host.able(ctx)
	if err != nil {
		return err
	}
	byPasswordAlone := slices.ContainsFunc(chosen, func(w way) bool { return strings.HasPrefix(w.name, "ssh") })
	switch {
	case len(who.byKey) > 0 || len(who.byPassword) > 0 && !byPasswordAlone:
		return nil
	case who.unseen != nil:
		return &gate.Refusal{
			Reason: "nobody can tell who would be left: " + who.unseen.Error(),
			Hint:   "mend that first; forkgate doors says where it is in the way",
		}
	default:
		return &gate.Refusal{
			Reason: "nobody would be left: no account in " + AdminGroup + " has a shell and a key that sshd takes",
			Hint:   "usermod -aG " + AdminGroup + " YOU, with your key in ~YOU/.ssh/authorized_keys",
		}
	}
}

// ahead works out what takes long before the time runs. The others are worked out one after the other: some change the same file.
func (d *Doors) ahead(ctx context.Context, chosen []way, names []string, done *Closing) (possible []way, err error) {
	for _, w := range chosen {
		if w.slow {
			steps, err := w.shut(ctx, d.Host)
			switch {
			case err != nil && slices.Contains(names, w.name):
				return nil, fmt.Errorf("cannot close %s: %w", w.name, err)
			case err != nil:
				done.leave(w, err)
				continue
			}
			w.shut = func(context.Context, *Host) ([]step, error) { return steps, nil }
		}
		possible = append(possible, w)
	}
	return possible, nil
}
