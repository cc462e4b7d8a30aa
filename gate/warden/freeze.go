package warden

import (
	"context"
	"fmt"
	"io"
	"time"

	"forkgate/fork"
	"forkgate/gate"
)

// frozen is the refusal of what changes a fork that stays as it is.
func frozen(t fork.Tree) error {
	return &gate.Refusal{
		Reason: t.Ref() + " is frozen since " + t.Frozen.UTC().Format(time.RFC3339) + ": it stays as it is",
		Hint:   "ssh gate@host fork " + t.Ref() + " NAME makes a fork of it, and ssh gate@host thaw " + t.Ref() + " has it be used again",
	}
}

// freeze has a fork stay as it is: nobody enters, changes or removes it.
func freeze(ctx context.Context, w *word) (page, error) {
	t, err := w.fork(ctx) // one that is frozen may be so by half
	if err != nil {
		return page{}, err
	}
	if t, err = w.pods.freeze(ctx, t); err != nil {
		return page{}, explained(err)
	}
	return w.became(t, fmt.Sprintf("%s is frozen: it stays as it is until it is thawed", t.Ref())), nil
}

// thaw has a frozen fork be used again.
func thaw(ctx context.Context, w *word) (page, error) {
	t, err := w.fork(ctx)
	if err != nil {
		return page{}, err
	}
	if t.Frozen.IsZero() {
		return page{}, &gate.Refusal{Reason: t.Ref() + " is not frozen", Hint: "ssh gate@host show " + t.Ref()}
	}
	if t, err = w.pods.thaw(t); err != nil {
		return page{}, explained(err)
	}
	return w.became(t, t.Ref()+" can be used again"), nil
}

// tag gives a fork another name, a frozen one as well. Policy is asked about both: rules speak of forks by their names.
func tag(ctx context.Context, w *word) (page, error) {
	t, err := w.fork(ctx)
	if err != nil {
		return page{}, err
	}
	ask, asking := w.ask, w.asking
	if ask.Ref, err = gate.ParseRef(t.Repo + ":" + w.args[1]); err != nil {
		return page{}, err
	}
	if _, taken := w.trees.Find(t.Repo, ask.Ref.Tag); taken {
		return page{}, gate.Taken(ask.Ref)
	}
	asking.Target = forks{w.trees, w.pods.visits}.target(t)
	asking.Target.Tag = ask.Ref.Tag
	if err := w.gate.Permitted(ask, asking); err != nil {
		return page{}, err
	}
	old := t.Ref()
	if t, err = w.pods.rename(t, ask.Ref.Tag); err != nil {
		return page{}, explained(err)
	}
	return w.became(t, old+" is "+t.Ref()+" now"), nil
}

// fork is what the first word names, which has to be a fork.
func (w *word) fork(ctx context.Context) (fork.Tree, error) {
	t, err := w.tree(ctx, w.args[0])
	if err == nil && t.Grand {
		err = &gate.Refusal{Reason: t.Ref() + " is a grand (production) repository, and no fork", Hint: "ssh gate@host forks " + t.Repo}
	}
	return t, err
}

// renamed is the refusal of what was asked for by a name that is not its any more.
func renamed(ref string) error {
	return &gate.Refusal{Reason: ref + " has another name now, or is gone", Hint: "ssh gate@host forks"}
}

// unused is a fork that may be changed.
func (w *word) unused(ctx context.Context) (fork.Tree, error) {
	t, err := w.fork(ctx)
	if err == nil && !t.Frozen.IsZero() {
		err = frozen(t)
	}
	return t, err
}

func (w *word) became(t fork.Tree, says string) page {
	v, _ := w.view(t)
	return page{data: v, text: func(out io.Writer) { fmt.Fprintln(out, says) }}
}

// freeze stops the pod of a fork in which nobody is, and freezes it. Who is about to enter meanwhile finds it frozen.
func (p *pods) freeze(ctx context.Context, t fork.Tree) (fork.Tree, error) {
	leave, err := p.empty(t)
	if err != nil {
		return t, err
	}
	defer leave()
	if err := p.stop(context.WithoutCancel(ctx), t.GUID); err != nil {
		return t, err
	}
	return p.trees.Freeze(t.GUID)
}

// thaw has a frozen fork be used again, and not while it is frozen by somebody else.
func (p *pods) thaw(t fork.Tree) (fork.Tree, error) {
	leave, err := p.empty(t)
	if err != nil {
		return t, err
	}
	defer leave()
	return p.trees.Thaw(t.GUID)
}

// rename gives a fork in which nobody is another name: what policy lets those inside do is decided by the old one, and who
// is about to enter by that is refused. A pod that runs is called by it until it is started again.
func (p *pods) rename(t fork.Tree, tag string) (fork.Tree, error) {
	leave, err := p.empty(t)
	if err != nil {
		return t, err
	}
	defer leave()
	return p.trees.Rename(t.GUID, tag)
}

// empty keeps everybody out of a fork in which nobody is, until the function that it returns is called.
func (p *pods) empty(t fork.Tree) (leave func(), err error) {
	leave, ok := p.still(t.GUID)
	if !ok {
		return nil, &gate.Refusal{Reason: t.Ref() + " is being started, entered or stopped", Hint: "try again in a moment"}
	}
	if now, ok := p.trees.Get(t.GUID); !ok || now.Ref() != t.Ref() {
		leave()
		return nil, renamed(t.Ref())
	}
	if p.sessions.in(t.GUID) {
		leave()
		return nil, &gate.Refusal{Reason: "somebody is in " + t.Ref(), Hint: "ssh gate@host sessions " + t.Ref() + " lists who, and ssh gate@host kill ID ends one"}
	}
	return leave, nil
}
