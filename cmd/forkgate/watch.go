package main

import (
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

// settled is how long the files of a policy have to be left alone before they are read: an editor writes, renames and removes several.
const settled = 100 * time.Millisecond

// policyWatch tells when the files of a policy change. What the kernel does not tell of, such as a network's file system, takes a
// systemctl reload.
type policyWatch struct {
	dir, below string // below: its policy.d
	watcher    *fsnotify.Watcher
	journal    *slog.Logger
}

func newPolicyWatch(dir string, journal *slog.Logger) (*policyWatch, error) {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, err
	}
	dir = filepath.Clean(dir)
	return &policyWatch{dir, filepath.Join(dir, "policy.d"), watcher, journal}, nil
}

// run sends to changed, which has room for one, until ctx ends.
func (p *policyWatch) run(ctx context.Context, changed chan<- struct{}) {
	defer p.watcher.Close()
	var wait, again <-chan time.Time
	if !p.add() {
		again = time.After(time.Second)
	}
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-p.watcher.Events:
			if p.matters(e.Name) {
				wait = time.After(settled)
			}
		case err := <-p.watcher.Errors: // some were lost: anything may have changed
			p.journal.Warn("the policy's files are watched with gaps", "error", err)
			wait = time.After(settled)
		case <-again:
			if again = time.After(time.Second); p.add() {
				again, wait = nil, time.After(settled)
			}
		case <-wait:
			if wait = nil; !p.add() {
				again = time.After(time.Second)
			}
			select {
			case changed <- struct{}{}:
			default: // there is word of it already
			}
		}
	}
}

// add watches what is there: a directory that was replaced is another one. It reports whether the policy's own is.
func (p *policyWatch) add() bool {
	_ = p.watcher.Add(p.below) // there need be none
	return p.watcher.Add(p.dir) == nil
}

func (p *policyWatch) matters(path string) bool {
	name := filepath.Base(path)
	return path == p.dir || path == p.below || strings.HasSuffix(name, ".hcl") && !strings.HasPrefix(name, ".")
}
