package warden

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"forkgate/fork"
	"forkgate/gate/warden/client"
)

// Where the pool's disk has failed, whatever fails says so, to callers and to the operator; what needs no pool does not.
func TestAPoolThatTakesNoWrites(t *testing.T) {
	h := newHost(t)
	h.start(t)
	h.trees.mu.Lock()
	h.trees.fail = errors.New("input/output error")
	h.trees.mu.Unlock()
	open := func() error {
		_, err := h.connect(t, "demo+x", h.bob).Open(t.Context(), client.OpenRequest{Op: "shell"})
		return err
	}
	var failed *client.Failed
	if err := open(); !errors.As(err, &failed) {
		t.Errorf("something fails in a pool that is well: %v", err)
	}
	h.trees.mu.Lock()
	h.trees.broken = fmt.Errorf("%w: /pool is read-only", fork.ErrReadOnlyPool)
	h.trees.mu.Unlock()
	refused(t, open(), "the pool takes no writes, as after an error of its disk")
	s, err := dial(t, h.operator).Status(t.Context())
	if err != nil || s.PoolError != "the pool takes no writes: /pool is read-only" || s.Repositories != 2 {
		t.Errorf("the operator is told %+v, %v", s, err)
	}
	if text, err := h.says(t, h.alice, "repos"); err != nil || !strings.Contains(text, "demo") {
		t.Errorf("what needs no pool: %s, %v", text, err)
	}
}

// Who enters what the pool has lost hears that.
func TestATreeThatThePoolHasLost(t *testing.T) {
	h := newHost(t)
	h.pods.starting = func(string) error { return errors.New("exit status 1") }
	h.trees.add(fork.Tree{Repo: "demo", Tag: "x", Owner: "bob"})
	h.start(t)
	open := func(user string) error {
		_, err := h.connect(t, user, h.bob).Open(t.Context(), client.OpenRequest{Op: "shell"})
		return err
	}
	var failed *client.Failed
	if err := open("demo+x"); !errors.As(err, &failed) {
		t.Errorf("a pod that does not start in a tree that is there: %v", err)
	}
	h.trees.mu.Lock()
	h.trees.lost = filepath.Join(t.TempDir(), "tree")
	h.trees.mu.Unlock()
	refused(t, open("demo+x"), "demo:x is gone from the pool")
}
