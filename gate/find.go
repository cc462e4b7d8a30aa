package gate

import (
	"context"
	"fmt"
)

// Existing finds the repository or fork that ask.Ref names, where the caller may know of it.
func (g *Gate[S]) Existing(ctx context.Context, ask Ask, r Request) (Target, error) {
	target, exists, err := g.Forks.Find(ctx, ask.Ref.Repo, ask.Ref.Tag)
	if err != nil {
		return Target{}, err
	}
	if r.Target = target; !exists || ask.Ref.Fresh || !g.Visible(r) {
		return Target{}, g.unknown(ask, r)
	}
	return target, nil
}

// Target turns a ref into a target: an existing one, or the fork to be (exists is false then). Whether the caller may know
// of it is for policy to say.
func (g *Gate[S]) Target(ctx context.Context, ask Ask, r Request) (target Target, exists bool, err error) {
	ref := ask.Ref
	if !ref.Fresh {
		if target, exists, err = g.Forks.Find(ctx, ref.Repo, ref.Tag); err != nil || exists {
			return target, exists, err
		}
	}
	parent, ok, err := g.Forks.Find(ctx, ref.Repo, "")
	if err != nil {
		return Target{}, false, err
	}
	if !ok || !ref.IsFork() {
		return Target{}, false, g.unknown(ask, r)
	}
	if ref.Fresh {
		if ref.Tag, err = g.Forks.FreshTag(ctx, ref.Repo); err != nil {
			return Target{}, false, err
		}
	}
	return ForkOf(parent, ref.Tag, r.Caller.Principal), false, nil
}

// free makes up the tag of a fresh fork, or sees to it that the given one is not in use.
func (g *Gate[S]) free(ctx context.Context, ref Ref) (Ref, error) {
	if ref.Fresh {
		tag, err := g.Forks.FreshTag(ctx, ref.Repo)
		return Ref{Repo: ref.Repo, Tag: tag}, err
	}
	_, taken, err := g.Forks.Find(ctx, ref.Repo, ref.Tag)
	if err == nil && taken {
		err = Taken(ref)
	}
	return ref, err
}

// unknown refuses what does not exist, or is hidden, and has the log say who asked for it.
func (g *Gate[S]) unknown(ask Ask, r Request) error {
	r.Target = Target{Repo: ask.Ref.Repo, Tag: ask.Ref.Tag}
	refusal := NotFound(ask.Ref)
	if err := g.Log.Decision(ask.Session, r, Decision{Reason: refusal.Reason}); err != nil {
		return fmt.Errorf("cannot write the audit log: %w", err)
	}
	return refusal
}

// ForkOf describes the fork of parent that owner asks for.
func ForkOf(parent Target, tag, owner string) Target {
	return Target{Repo: parent.Repo, Tag: tag, Fork: true, Owner: owner, Parent: parent.Ref(), ParentOwner: parent.Owner}
}

// NotFound is the refusal for what does not exist, and for what the caller may not see. It depends on nothing but the ref as
// it was asked for.
func NotFound(ref Ref) *Refusal {
	return &Refusal{Reason: ref.String() + " does not exist, or is not yours to see", Hint: "ssh gate@host repos"}
}

// Taken is the refusal for a fork whose name is in use.
func Taken(ref Ref) *Refusal {
	return &Refusal{Reason: ref.String() + " exists already", Hint: "choose another tag, or leave it out for a made-up one"}
}
