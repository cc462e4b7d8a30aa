package warden

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"forkgate/fork"
	"forkgate/nsjail"
	"forkgate/nsjail/cgroup"
	"forkgate/systemd"
)

// podSlice is where systemd puts the pods' units.
const podSlice = "forkgate.slice"

// busy reports whether somebody works in a pod, or a container runs there.
func busy(guid string) (bool, error) {
	group, err := podGroup(guid)
	if err != nil {
		return false, err
	}
	return nsjail.Busy(group)
}

// sessionLives reports whether anything lives of a session.
func sessionLives(guid, session string) (bool, error) {
	group, err := podGroup(guid)
	if err != nil {
		return false, err
	}
	return nsjail.Lives(group, session)
}

// sessionsLiving lists the sessions that live in a pod.
func sessionsLiving(guid string) ([]string, error) {
	group, err := podGroup(guid)
	if err != nil {
		return nil, err
	}
	return nsjail.Living(group)
}

// killSession ends a session, and returns when nothing of it lives.
func killSession(ctx context.Context, guid, session string) error {
	group, err := podGroup(guid)
	if err != nil {
		return err
	}
	return nsjail.EndSession(ctx, group, session)
}

// podGroup is where the cgroup of a pod's unit is, or would be.
func podGroup(guid string) (string, error) {
	unit, err := systemd.Instance(podUnit, guid)
	if err != nil {
		return "", err
	}
	root, err := cgroup.Mount()
	return filepath.Join(root, podSlice, unit), err
}

// tend stops pods in which nothing has gone on for as long as policy says, until ctx ends. The next login starts them again.
func (p *pods) tend(ctx context.Context, journal *slog.Logger) {
	since := map[string]time.Time{}
	for pause(ctx, min(max(p.rules.Pods().Idle/8, time.Second/4), 30*time.Second)) {
		running, err := p.Running(ctx)
		if err != nil {
			journal.Error("cannot look for idle pods", "error", err)
			continue
		}
		still := map[string]time.Time{}
		for _, guid := range running {
			switch at, stopped, err := p.rest(ctx, guid, since[guid], p.rules.Pods().Idle); {
			case err != nil:
				journal.Error("cannot tend a pod", "guid", guid, "error", err)
			case stopped:
				journal.Info("a pod was idle, and is stopped", "guid", guid)
			case !at.IsZero():
				still[guid] = at
			}
		}
		since = still
	}
}

// rest stops a pod that has been idle long enough. It returns since when the pod has been idle, zero where it is not.
func (p *pods) rest(ctx context.Context, guid string, since time.Time, idle time.Duration) (_ time.Time, stopped bool, err error) {
	if busy, err := p.busy(guid); busy || err != nil {
		return time.Time{}, false, err
	}
	if since.IsZero() {
		since = time.Now()
	}
	if tree, ok := p.trees.Get(guid); !ok || p.autostarts(tree) || time.Since(since) < idle {
		return since, false, nil
	}
	// Nobody enters while it is looked at for the last time, and stopped.
	leave, ok := p.still(guid)
	if !ok {
		return time.Time{}, false, nil
	}
	defer leave()
	if busy, err := p.busy(guid); busy || err != nil {
		return time.Time{}, false, err
	}
	if err := p.stop(ctx, guid); err != nil {
		return since, false, err
	}
	return since, true, nil
}

// stop stops a pod that nobody can enter or start meanwhile. One that does not run is fine.
func (p *pods) stop(ctx context.Context, guid string) error {
	unit, err := systemd.Instance(podUnit, guid)
	if err != nil {
		return err
	}
	p.down(ctx, guid)
	if err := p.units.Stop(ctx, unit); err != nil {
		return fmt.Errorf("cannot stop a pod: %w", err)
	}
	return nil
}

// autostarts reports whether a tree's pod runs whether or not somebody is there.
func (p *pods) autostarts(t fork.Tree) bool { return t.Grand && p.rules.Repository(t.Repo).Autostart }

// startAll starts the pods of the repositories that are to run without anybody asking for it.
func (p *pods) startAll(ctx context.Context, repositories []string, journal *slog.Logger) {
	for _, name := range repositories {
		tree, ok := p.trees.Find(name, "")
		if !ok {
			journal.Warn("a repository is to be started, and does not exist", "repository", name)
			continue
		}
		if err := p.wake(ctx, tree.GUID); err != nil {
			journal.Error("a repository does not start", "repository", name, "error", err)
		}
	}
}
