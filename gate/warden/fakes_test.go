package warden

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"forkgate/fork"
	"forkgate/fork/changes"
	"forkgate/gate"
	"forkgate/gate/audit"
	"forkgate/nsjail"
	"forkgate/nsjail/wire"
	"forkgate/systemd"
)

// fakeTrees is a pool in memory.
type fakeTrees struct {
	mu        sync.Mutex
	trees     map[string]fork.Tree // by ref
	end       func(context.Context, string) error
	data      string // where every tree's data is
	lost      string // where no tree is any more
	broken    error  // why the pool cannot be used
	kept      []fork.Kept
	differ    []changes.Change // what Compare says
	differErr error
	fail      error // of Fork
	most      int   // forks of one owner; 0: not bounded
	added     int
	claiming  sync.Mutex
	used      atomic.Uint64
	slow      chan struct{}
}

func newFakeTrees() *fakeTrees {
	f := &fakeTrees{trees: map[string]fork.Tree{}}
	f.used.Store(3 << 19)
	f.add(fork.Tree{Repo: "demo", Grand: true})
	f.add(fork.Tree{Repo: "secret", Grand: true})
	return f
}

func (f *fakeTrees) add(t fork.Tree) fork.Tree {
	f.mu.Lock()
	defer f.mu.Unlock()
	t.Slot, t.State = f.added, cmp.Or(t.State, fork.Ready)
	f.added++
	t.GUID = fmt.Sprintf("00000000-0000-4000-8000-%012d", t.Slot)
	t.Made = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	f.trees[t.Ref()] = t
	return t
}

func (f *fakeTrees) Find(repo, tag string) (fork.Tree, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	t, ok := f.trees[fork.Tree{Repo: repo, Tag: tag}.Ref()]
	return t, ok && t.Repo == repo && t.Tag == tag
}

func (f *fakeTrees) Get(guid string) (fork.Tree, bool) {
	for _, t := range f.list(func(t fork.Tree) bool { return t.GUID == guid }) {
		return t, true
	}
	return fork.Tree{}, false
}

func (f *fakeTrees) list(want func(fork.Tree) bool) (all []fork.Tree) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, t := range f.trees {
		if want(t) {
			all = append(all, t)
		}
	}
	slices.SortFunc(all, func(a, b fork.Tree) int { return a.Slot - b.Slot })
	return all
}

func (f *fakeTrees) Repos() []fork.Tree {
	return f.list(func(t fork.Tree) bool { return t.Grand })
}

func (f *fakeTrees) Forks(repo string) []fork.Tree {
	return f.list(func(t fork.Tree) bool { return !t.Grand && (repo == "" || repo == t.Repo) })
}

func (f *fakeTrees) RemoveNamed(ctx context.Context, t fork.Tree) error {
	if now, ok := f.Get(t.GUID); ok && now.Ref() != t.Ref() {
		return fmt.Errorf("it has %w", fork.ErrRenamed)
	}
	return f.Remove(ctx, t.GUID)
}

func (f *fakeTrees) Owned(owner string) []fork.Tree {
	return f.list(func(t fork.Tree) bool { return !t.Grand && t.Owner == owner })
}

func (f *fakeTrees) Dirs(fork.Tree) fork.Dirs {
	f.mu.Lock()
	defer f.mu.Unlock()
	return fork.Dirs{Tree: cmp.Or(f.lost, "/"), Root: "/pool/root", Data: f.data}
}

func (f *fakeTrees) FreshTag(string) string { return "agent-7f3k" }
func (f *fakeTrees) CurrentRootfs() string  { return "d1" }
func (f *fakeTrees) RemoveRepo(_ context.Context, name, understood string) error {
	if name != understood {
		return fork.ErrNotUnderstood
	}
	return fork.ErrHasForks
}

func (f *fakeTrees) Extend(guid string) (fork.Tree, error) {
	t, ok := f.Get(guid)
	if !ok {
		return fork.Tree{}, fork.ErrNotFound
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if !t.Expires.IsZero() {
		t.Expires = t.Limits.Expiry(time.Now())
		f.trees[t.Ref()] = t
	}
	return t, nil
}

func (f *fakeTrees) Use(guid string, at time.Time) (fork.Tree, error) {
	return f.change(guid, func(t *fork.Tree) { t.Used = at })
}

func (f *fakeTrees) Freeze(guid string) (fork.Tree, error) {
	return f.change(guid, func(t *fork.Tree) { t.Frozen, t.Expires = time.Now(), time.Time{} })
}

func (f *fakeTrees) Thaw(guid string) (fork.Tree, error) {
	return f.change(guid, func(t *fork.Tree) { t.Frozen, t.Expires = time.Time{}, t.Limits.Expiry(time.Now()) })
}

func (f *fakeTrees) Rename(guid, tag string) (fork.Tree, error) {
	return f.change(guid, func(t *fork.Tree) { t.Tag = tag })
}

func (f *fakeTrees) change(guid string, do func(*fork.Tree)) (fork.Tree, error) {
	t, ok := f.Get(guid)
	if !ok {
		return fork.Tree{}, fork.ErrNotFound
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.trees, t.Ref())
	do(&t)
	f.trees[t.Ref()] = t
	return t, nil
}

func (f *fakeTrees) Settle(guid, why string) (fork.Tree, error) {
	t, ok := f.Get(guid)
	if !ok {
		return fork.Tree{}, fork.ErrNotFound
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	t.Settled, t.Unsettled = why == "", why
	f.trees[t.Ref()] = t
	return t, nil
}

func (f *fakeTrees) Rootfs() ([]string, error) { return []string{"d0", "d1"}, nil }
func (f *fakeTrees) Status() (fork.PoolStatus, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.broken != nil {
		return fork.PoolStatus{}, f.broken
	}
	return fork.PoolStatus{Path: "/pool", Size: 20 << 30, Free: 5 << 30, Returning: 3}, nil
}

func (f *fakeTrees) Fork(ctx context.Context, parent fork.Tree, tag, owner string, limits fork.Limits) (fork.Tree, []fork.Step, error) {
	if f.slow != nil {
		select {
		case <-f.slow:
		case <-ctx.Done():
			return fork.Tree{}, nil, context.Cause(ctx)
		}
	}
	f.mu.Lock()
	fail := f.fail
	f.mu.Unlock()
	if fail != nil {
		return fork.Tree{}, nil, fail
	}
	f.claiming.Lock()
	defer f.claiming.Unlock()
	if owned := f.list(func(t fork.Tree) bool { return t.Owner == owner }); f.most > 0 && len(owned) >= f.most {
		return fork.Tree{}, nil, fmt.Errorf("%w: %s has %d", fork.ErrTooManyForks, owner, len(owned))
	}
	t := f.add(fork.Tree{Repo: parent.Repo, Tag: tag, Owner: owner, Parent: parent.GUID, Limits: limits})
	return t, []fork.Step{{Name: "snapshot", Took: 2 * time.Millisecond}, {Name: "ready", Took: time.Millisecond}}, nil
}

func (f *fakeTrees) Remove(ctx context.Context, guid string) error {
	t, ok := f.Get(guid)
	if !ok {
		return fork.ErrNotFound
	}
	if t.Grand {
		return fmt.Errorf("cannot remove %s: %w", t.Ref(), fork.ErrGrand)
	}
	if err := f.end(ctx, guid); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.trees, t.Ref())
	return nil
}

func (f *fakeTrees) CreateRepo(_ context.Context, name string, s fork.Source, progress fork.Progress) (fork.Tree, error) {
	if s.Tar != nil {
		n, err := io.Copy(io.Discard, s.Tar)
		if err != nil {
			return fork.Tree{}, err
		}
		progress(n, n)
	}
	if s.Dir != "" {
		if _, err := os.ReadDir(s.Dir); err != nil {
			return fork.Tree{}, err
		}
	}
	return f.add(fork.Tree{Repo: name, Grand: true}), nil
}

func (f *fakeTrees) Compare(_ context.Context, before, after fork.Tree) ([]changes.Change, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if before.GUID == after.GUID {
		return nil, nil
	}
	return f.differ, f.differErr
}

func (f *fakeTrees) Keep(_ context.Context, t fork.Tree, destination string) (fork.Kept, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	k := fork.Kept{ID: fmt.Sprintf("00000000-0000-4000-9000-%012d", len(f.kept)), Of: t.GUID, Repo: t.Repo, For: destination, Made: t.Made, State: fork.Ready}
	f.kept = append(f.kept, k)
	return k, nil
}

func (f *fakeTrees) Kept() []fork.Kept {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.kept)
}

func (f *fakeTrees) KeptPath(k fork.Kept) string { return "/pool/kept/" + k.ID }

func (f *fakeTrees) Drop(id string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.kept = slices.DeleteFunc(f.kept, func(k fork.Kept) bool { return k.ID == id })
	return nil
}

func (f *fakeTrees) Used(fork.Tree) (uint64, error) { return f.used.Load(), nil }

func (f *fakeTrees) ImportRootfs(context.Context, *os.File, fork.Progress) (string, error) {
	return "d2", nil
}

// fakePods is systemd and nsjail in memory: what ran where, and which units run.
type fakePods struct {
	mu      sync.Mutex
	running map[string]bool
	limits  map[string][]systemd.Limits // of each unit, the last one in force
	hits    systemd.Hits                // of every unit
	started int
	kills   int
	work    []nsjail.Exec
	alive   map[string]string // sessions of which something lives: GUIDs of their pods, by name
	stays   bool              // sessions do not die
	gone    int               // how many times a running pod is found to be gone
	hold    chan struct{}     // what starts wait for

	starting func(unit string) error // what comes of a start; nil: a pod
}

func (f *fakePods) Start(_ context.Context, unit string) error {
	if f.hold != nil {
		<-f.hold
	}
	if f.starting != nil {
		if err := f.starting(unit); err != nil {
			return err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.running[unit] = true
	f.started++
	return nil
}

func (f *fakePods) Stop(ctx context.Context, unit string) error { return f.Kill(ctx, unit) }

func (f *fakePods) Limit(_ context.Context, unit string, l systemd.Limits) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.limits[unit] = append(f.limits[unit], l)
	return nil
}

func (f *fakePods) Revert(_ context.Context, unit string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.limits, unit)
	return nil
}

func (f *fakePods) hit(string) systemd.Hits {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.hits
}

func (f *fakePods) Usage(context.Context, string) (systemd.Usage, error) {
	return systemd.Usage{Memory: 120 << 20, Tasks: 12}, nil
}

func (f *fakePods) Kill(_ context.Context, unit string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.kills++
	delete(f.running, unit)
	return nil
}

func (f *fakePods) Running(context.Context, string) (all []string, _ error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for unit := range f.running {
		all = append(all, unit)
	}
	return all, nil
}

func (f *fakePods) exec(_ context.Context, _, guid string, e nsjail.Exec) (*nsjail.Session, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.running[unitOf(guid)] {
		return nil, nsjail.ErrNotRunning
	}
	if f.gone > 0 {
		f.gone--
		return nil, nsjail.ErrNotRunning
	}
	f.work = append(f.work, e)
	f.alive[e.Session] = guid
	files := make([]*os.File, 4, 5)
	if e.Terminal != nil {
		files = files[:2]
	}
	if e.Agent {
		files = files[:len(files)+1]
	}
	for i := range files {
		var err error
		if files[i], err = os.OpenFile(os.DevNull, os.O_RDWR, 0); err != nil {
			return nil, err
		}
	}
	ours, theirs, err := wire.Pair()
	if err != nil {
		return nil, err
	}
	_ = ours.Send(0, wire.TypeExit, wire.Exit{Code: 7})
	ours.Close()
	files[0].Close()
	files[0] = theirs
	return &nsjail.Session{GUID: guid, Files: files}, nil
}

// lives, living and killSession are what the kernel knows of sessions.
func (f *fakePods) lives(guid, session string) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.alive[session] == guid, nil
}

func (f *fakePods) living(guid string) (all []string, _ error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for session, in := range f.alive {
		if in == guid {
			all = append(all, session)
		}
	}
	return all, nil
}

func (f *fakePods) killSession(_ context.Context, guid, session string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stays {
		return errors.New("it does not die")
	}
	if f.alive[session] == guid {
		delete(f.alive, session)
	}
	return nil
}

// die makes a session end by itself.
func (f *fakePods) die(session string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.alive, session)
}

func (f *fakePods) starts() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.started
}

func (f *fakePods) limitsOf(guid string) []systemd.Limits {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.limits[unitOf(guid)])
}

func (f *fakePods) has(guid string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.running[unitOf(guid)]
}

func (f *fakePods) ran() []nsjail.Exec {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.work)
}

func unitOf(guid string) string { return "forkgate-pod@" + guid + ".service" }

// fakeLog remembers what it was told, and fails when it is told to.
type fakeLog struct {
	mu    sync.Mutex
	fail  error
	lines []string

	settled int // how many of them are on the disk
}

func (l *fakeLog) write(format string, args ...any) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fail == nil {
		l.lines = append(l.lines, fmt.Sprintf(format, args...))
	}
	return l.fail
}

// count is how many lines are this one.
func (l *fakeLog) count(line string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, has := range l.lines {
		if strings.HasSuffix(has, line) {
			n++
		}
	}
	return n
}

func (l *fakeLog) Decision(_ string, r gate.Request, d gate.Decision) error {
	return l.write("%s %s %s %s", d.Verdict, r.Caller.Principal, r.Op, r.Target.Ref())
}
func (l *fakeLog) Verb(_ string, r gate.Request) error {
	return l.write("verb %s %s", r.Caller.Principal, r.Command)
}
func (l *fakeLog) Refused(_ string, r gate.Request, why string) error {
	return l.write("refused %s: %s", r.Source, why)
}
func (l *fakeLog) Grant(_ string, r gate.Request, what string) error {
	return l.write("grant of %s on %s: %s", r.Caller.Principal, r.Target.Ref(), what)
}
func (l *fakeLog) State() audit.State {
	l.mu.Lock()
	defer l.mu.Unlock()
	return audit.State{Newest: uint64(len(l.lines)), Signed: 1, SignedAt: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC), Broken: l.fail}
}
func (l *fakeLog) Settle() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.settled = len(l.lines)
	return l.fail
}
func (l *fakeLog) Started(_ string, r gate.Request) error {
	return l.write("started %s on %s", r.Caller.Principal, r.Target.Ref())
}
func (l *fakeLog) Revoked(_ string, r gate.Request, d gate.Decision) error {
	return l.write("revoked %s on %s: %s", r.Caller.Principal, r.Target.Ref(), d.Reason)
}
func (l *fakeLog) Ended(_ string, r gate.Request, how audit.End) error {
	return l.write("ended %s on %s: %v %d %s %s", r.Caller.Principal, r.Target.Ref(), how.Exited, how.Code, how.Signal, how.Why)
}
func (l *fakeLog) File(session string, r gate.Request, op gate.FileOperation) error {
	return l.write("%s %s %q of %s on %s: %s", session, op.Did, op.Path, r.Caller.Principal, r.Target.Ref(), op.Outcome)
}
func (l *fakeLog) Files(_ string, r gate.Request, many int) {
	_ = l.write("%d more of %s", many, r.Caller.Principal)
}
func (l *fakeLog) Unfollowed(session string, r gate.Request, why string) error {
	return l.write("%s of %s is not followed: %s", session, r.Caller.Principal, why)
}
func (l *fakeLog) Untaped(_ string, r gate.Request, why string) error {
	return l.write("untaped %s on %s: %s", r.Caller.Principal, r.Target.Ref(), why)
}
func (l *fakeLog) Egress(r gate.Request, host string, port uint16, why string, count int) error {
	return l.write("egress %s %s %d %s %d", r.Target.Ref(), host, port, why, count)
}
func (l *fakeLog) Login(_ string, who audit.Login) error {
	return l.write("login %s by %s on %s from %s: %t, %s", who.Account, who.Service, who.Terminal, who.From, who.Let, who.Why)
}
func (l *fakeLog) Service(what string) error { return l.write("service %s", what) }

func (l *fakeLog) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.lines)
}

func (l *fakeLog) has(line string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Contains(l.lines, line)
}
