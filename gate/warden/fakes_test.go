package warden

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"forkgate/fork"
	"forkgate/gate"
	"forkgate/gate/policy"
	"forkgate/gate/warden/client"
	"forkgate/nsjail"
	"forkgate/nsjail/wire"
)

// fakeTrees is a pool in memory.
type fakeTrees struct {
	mu    sync.Mutex
	trees map[string]fork.Tree // by ref
	end   func(context.Context, string) error
	fail  error // of Fork
	slow  chan struct{}
}

func newFakeTrees() *fakeTrees {
	f := &fakeTrees{trees: map[string]fork.Tree{}}
	f.add(fork.Tree{Repo: "demo", Grand: true})
	f.add(fork.Tree{Repo: "secret", Grand: true})
	return f
}

func (f *fakeTrees) add(t fork.Tree) fork.Tree {
	f.mu.Lock()
	defer f.mu.Unlock()
	t.Slot = len(f.trees)
	t.GUID = fmt.Sprintf("00000000-0000-4000-8000-%012d", t.Slot)
	t.Made = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	f.trees[t.Ref()] = t
	return t
}

func (f *fakeTrees) Find(repo, tag string) (fork.Tree, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	t, ok := f.trees[fork.Tree{Repo: repo, Tag: tag}.Ref()]
	return t, ok
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

func (f *fakeTrees) Dirs(fork.Tree) fork.Dirs                 { return fork.Dirs{Root: "/pool/root"} }
func (f *fakeTrees) FreshTag(string) string                   { return "agent-7f3k" }
func (f *fakeTrees) CurrentRootfs() string                    { return "d1" }
func (f *fakeTrees) RemoveRepo(context.Context, string) error { return fork.ErrHasForks }

func (f *fakeTrees) Fork(ctx context.Context, parent fork.Tree, tag, owner string) (fork.Tree, []fork.Step, error) {
	if f.slow != nil {
		select {
		case <-f.slow:
		case <-ctx.Done():
			return fork.Tree{}, nil, context.Cause(ctx)
		}
	}
	if f.fail != nil {
		return fork.Tree{}, nil, f.fail
	}
	t := f.add(fork.Tree{Repo: parent.Repo, Tag: tag, Owner: owner, Parent: parent.GUID})
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

func (f *fakeTrees) ImportRootfs(context.Context, *os.File, fork.Progress) (string, error) {
	return "d2", nil
}

// fakePods is systemd and nsjail in memory: what ran where, and which units run.
type fakePods struct {
	mu      sync.Mutex
	running map[string]bool
	started int
	work    []nsjail.Exec
	gone    int // how many times a running pod is found to be gone
}

func (f *fakePods) Start(_ context.Context, unit string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.running[unit] = true
	f.started++
	return nil
}

func (f *fakePods) Kill(_ context.Context, unit string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
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
	files := make([]*os.File, 4)
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
	return &nsjail.Session{Files: files}, nil
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
}

func (l *fakeLog) write(format string, args ...any) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fail == nil {
		l.lines = append(l.lines, fmt.Sprintf(format, args...))
	}
	return l.fail
}

func (l *fakeLog) Decision(_ string, r gate.Request, d gate.Decision) error {
	return l.write("%s %s %s %s", d.Verdict, r.Caller.Principal, r.Op, r.Target.Ref())
}
func (l *fakeLog) Verb(_ string, r gate.Request) error {
	return l.write("verb %s %s", r.Caller.Principal, r.Command)
}
func (l *fakeLog) Service(what string) error { return l.write("service %s", what) }

func (l *fakeLog) has(line string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Contains(l.lines, line)
}

// text is a policy in which agents work in their own forks, people enter demo, and nobody but the operator sees "secret".
const text = `
permit "operator" {
  when = door == "operator"
}
permit "see" {
  when = op == "list" && target.repo != "secret"
}
permit "show" {
  when = op == "show" && target.repo != "secret"
}
permit "fork" {
  when = op == "fork" && target.repo != "secret"
}
permit "own" {
  when = target.fork && target.owner == caller.principal && contains(["shell", "exec", "sftp", "remove"], op)
}
permit "people" {
  when = caller.kind == "human" && target.grand && target.repo != "secret" && contains(["shell", "exec", "sftp"], op)
}
forbid "agents-keep-out" {
  when   = caller.kind == "agent" && target.grand && contains(["shell", "exec", "sftp"], op)
  reason = "${target.ref} is a grand (production) repository; agents work in forks"
  hint   = "ssh ${target.repo}+NAME@host"
}
agent "Claude Code" {
  env = ["CLAUDECODE=1"]
}
principal "alice" {
  vouched = true
  keys    = [%q]
}
principal "bob" {
  keys = [%q]
}
`

// host is a warden with everything fake but its sockets.
type host struct {
	*Warden
	trees *fakeTrees
	pods  *fakePods
	log   *fakeLog
	rules *rules

	text       string // of the policy; an empty one does not load
	alice, bob ssh.PublicKey

	door, operator string // sockets
}

func newHost(t testing.TB) *host {
	t.Helper()
	h := &host{
		trees: newFakeTrees(), pods: &fakePods{running: map[string]bool{}}, log: &fakeLog{},
		alice: newKey(t), bob: newKey(t),
	}
	h.text = fmt.Sprintf(text, line(h.alice), line(h.bob))
	h.rules = newRules(func() (Policy, error) {
		if h.text == "" {
			return nil, errors.New("test.hcl:1: it does not load")
		}
		return policy.Load(policy.Text{Name: "test.hcl", Text: []byte(h.text)})
	}, time.Now)
	if err := h.rules.reload(); err != nil {
		t.Fatal(err)
	}
	keys, err := LoadHostKeys(filepath.Join(t.TempDir(), "hostkeys"))
	if err != nil {
		t.Fatal(err)
	}
	pods := newPods(h.pods, t.TempDir())
	pods.exec, pods.trees, h.trees.end = h.pods.exec, h.trees, pods.End
	h.Warden = newWarden(keys, h.rules, h.log, h.trees, pods, slog.New(slog.DiscardHandler))
	h.pool, h.version, h.policyPlace = t.TempDir(), "test", "test.hcl"
	return h
}

// start has the warden serve on sockets of its own until the test ends. Whoever runs the tests is both door and operator.
func (h *host) start(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	t.Cleanup(func() {
		cancel()
		serving.Wait()
	})
	dir := t.TempDir()
	h.door, h.operator = filepath.Join(dir, "door"), filepath.Join(dir, "operator")
	me := uint32(os.Getuid())
	for path, socket := range map[string]Socket{h.door: {door, me}, h.operator: {operator, me}} {
		l, err := wire.Listen(path, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		serving.Go(func() {
			if err := h.serve(ctx, l, socket); err != nil {
				t.Error(err)
			}
		})
	}
}

func newKey(t testing.TB) ssh.PublicKey {
	t.Helper()
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func line(key ssh.PublicKey) string {
	text := ssh.MarshalAuthorizedKey(key)
	return string(text[:len(text)-1])
}

func dial(t testing.TB, path string) *client.Client {
	t.Helper()
	c, err := client.Dial(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// signHash has the warden sign a made-up exchange hash, and returns the hash.
func signHash(t testing.TB, c *client.Client) []byte {
	t.Helper()
	keys, err := c.HostKeys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	hash := make([]byte, 32)
	rand.Read(hash)
	if _, err := c.Sign(t.Context(), client.SignRequest{Key: keys[0], Data: hash}); err != nil {
		t.Fatal(err)
	}
	return hash
}

// connect is a door's connection for user with key, up to and with the assertion.
func (h *host) connect(t testing.TB, user string, key ssh.PublicKey) *client.Client {
	t.Helper()
	c := dial(t, h.door)
	err := c.Assert(t.Context(), client.AssertRequest{User: []byte(user), Key: key.Marshal(), SessionID: signHash(t, c)})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func say(text ...string) (all [][]byte) {
	for _, w := range text {
		all = append(all, []byte(w))
	}
	return all
}
