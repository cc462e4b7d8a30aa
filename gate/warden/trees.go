package warden

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"forkgate/fork"
	"forkgate/fork/changes"
	"forkgate/gate"
)

// Trees is what the warden asks of the pool. *fork.Store is one.
type Trees interface {
	Find(repo, tag string) (fork.Tree, bool)
	Get(guid string) (fork.Tree, bool)
	Repos() []fork.Tree
	Forks(repo string) []fork.Tree
	Owned(owner string) []fork.Tree
	Dirs(fork.Tree) fork.Dirs
	FreshTag(repo string) string
	Fork(ctx context.Context, parent fork.Tree, tag, owner string, limits fork.Limits) (fork.Tree, []fork.Step, error)
	Remove(ctx context.Context, guid string) error
	RemoveNamed(ctx context.Context, t fork.Tree) error
	CreateRepo(ctx context.Context, name string, source fork.Source, progress fork.Progress) (fork.Tree, error)
	RemoveRepo(ctx context.Context, name, understood string) error
	Extend(guid string) (fork.Tree, error)
	Settle(guid, why string) (fork.Tree, error)
	Use(guid string, at time.Time) (fork.Tree, error)
	Freeze(guid string) (fork.Tree, error)
	Thaw(guid string) (fork.Tree, error)
	Rename(guid, tag string) (fork.Tree, error)
	ImportRootfs(ctx context.Context, tar *os.File, progress fork.Progress) (string, error)
	CurrentRootfs() string
	Rootfs() ([]string, error)
	Status() (fork.PoolStatus, error)
	Used(fork.Tree) (uint64, error) // bytes charged to a fork
	Compare(ctx context.Context, before, after fork.Tree) ([]changes.Change, error)
	Keep(ctx context.Context, repo fork.Tree, destination string) (fork.Kept, error)
	Kept() []fork.Kept
	KeptPath(fork.Kept) string
	Drop(id string) error
}

// forks makes the pool gate.Forks: trees become targets, and what fork reports becomes refusals where callers can do
// something about it.
type forks struct {
	trees  Trees
	visits *visits // nil: an agent may have been everywhere
}

func (f forks) Find(_ context.Context, repo, tag string) (gate.Target, bool, error) {
	tree, ok := f.trees.Find(repo, tag)
	return f.target(tree), ok, nil
}

func (f forks) FreshTag(_ context.Context, repo string) (string, error) {
	return f.trees.FreshTag(repo), nil
}

func (f forks) Make(ctx context.Context, _ gate.Caller, child gate.Target, limits gate.Limits) (gate.Target, []gate.Step, error) {
	ref, err := gate.ParseRef(child.Parent)
	if err != nil {
		return gate.Target{}, nil, err
	}
	parent, ok := f.trees.Find(ref.Repo, ref.Tag)
	if !ok {
		return gate.Target{}, nil, gate.NotFound(ref)
	}
	made, took, err := f.trees.Fork(ctx, parent, child.Tag, child.Owner, fork.Limits(limits))
	if err != nil {
		return gate.Target{}, nil, explained(err)
	}
	steps := make([]gate.Step, len(took))
	for i, s := range took {
		steps[i] = gate.Step{Name: s.Name, Took: s.Took}
	}
	return f.target(made), steps, nil
}

// target is what policy hears of a tree.
func (f forks) target(t fork.Tree) gate.Target {
	if t.GUID == "" {
		return gate.Target{}
	}
	target := gate.Target{GUID: t.GUID, Repo: t.Repo, Tag: t.Tag, Grand: t.Grand, Fork: !t.Grand, Owner: t.Owner, Entered: f.visits.entered(t.GUID)}
	if parent, ok := f.trees.Get(t.Parent); ok {
		target.Parent = parent.Ref()
	}
	return target
}

// refusals are the errors of fork that a caller can do something about.
var refusals = []struct {
	is   error
	hint string
}{
	{fork.ErrTooManyForks, "ssh gate@host forks lists yours, ssh gate@host rm REF removes one"},
	{fork.ErrTooLarge, "ssh gate@host show REF says what one may come to, ssh gate@host rm REF removes one"},
	{fork.ErrPoolFull, "ssh gate@host rm REF removes a fork; its space comes back within half a minute"},
	{fork.ErrNoRootfs, "the operator makes one with: forkgate rootfs build"},
	{fork.ErrNoSlot, "ssh gate@host rm REF removes a fork"},
	{fork.ErrNested, "the operator replaces nested subvolumes by directories"},
	{fork.ErrRemoving, "try again in a moment, or choose another tag"},
	{fork.ErrExists, "choose another name"},
	{fork.ErrNotUnderstood, "forkgate repo remove NAME --i-understand-this-deletes-production NAME"},
	{fork.ErrHasForks, "ssh gate@host forks lists them"},
	{fork.ErrGrand, "the operator removes repositories with: forkgate repo remove NAME --i-understand-this-deletes-production NAME"},
	{fork.ErrNotGrand, "forks come and go: back their repository up"},
	{fork.ErrLongPath, "shorten what find -depth -regextype posix-extended -regex '.{4000,}' finds there"},
	{fork.ErrRenamed, "ssh gate@host forks"},
	{fork.ErrFrozen, "ssh gate@host thaw REF has it be used again"},
	{fork.ErrNotFound, "ssh gate@host repos"},
	{fork.ErrSource, ""},
}

// explained turns an error of fork into a refusal where there is one for it.
func explained(err error) error {
	for _, r := range refusals {
		if errors.Is(err, r.is) {
			return fmt.Errorf("%w (%w)", &gate.Refusal{Reason: err.Error(), Hint: r.hint}, err)
		}
	}
	return err
}
