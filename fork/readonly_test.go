package fork

import (
	"context"
	"errors"
	"testing"

	"forkgate/tests/need"
)

// A pool that btrfs has made read-only, which it does when its disk fails, is told at once: nothing is begun that could not be undone, and a fork
// that cannot be removed is not shut in vain.
func TestReadOnlyPool(t *testing.T) {
	pool, ctx := need.Btrfs(t), context.Background()
	s := newStore(t, Options{Pool: pool})
	demo := createRepo(t, s, "demo", Source{})
	old := makeFork(t, s, demo, "old")
	tool(t, "mount", "-o", "remount,ro", pool)
	defer tool(t, "mount", "-o", "remount,rw", pool)

	_, _, making := s.Fork(ctx, demo, "new", "alice", roomy)
	_, creating := s.CreateRepo(ctx, "shop", Source{}, nil)
	_, looking := s.Status()
	for what, err := range map[string]error{
		"making a fork": making, "creating a repository": creating, "removing": s.Remove(ctx, old.GUID), "making spares": s.refill(ctx), "looking": looking,
	} {
		if !errors.Is(err, ErrReadOnlyPool) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if now, ok := s.Find("demo", "old"); !ok || now.State != Ready {
		t.Errorf("a fork that could not be removed is %+v, %v", now, ok)
	}
	if s.registry.taken("demo", "new") || s.registry.taken("shop", "") || len(s.registry.held) > 0 {
		t.Errorf("records are left of what could not be made, and slots held: %v", s.registry.held)
	}
}
