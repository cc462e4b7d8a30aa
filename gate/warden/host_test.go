package warden

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"forkgate/gate/enrolled"
	"forkgate/gate/policy"
	"forkgate/gate/warden/client"
	"forkgate/nsjail/wire"
	"forkgate/systemd"
)

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
  when = target.fork && target.owner == caller.principal && contains(["shell", "exec", "sftp", "remove", "extend"], op)
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

	door, operator, account, egress string // sockets

	mu   sync.Mutex
	sshd error // why a peer is nothing that sshd has started
}

func newHost(t testing.TB) *host {
	t.Helper()
	h := &host{
		trees: newFakeTrees(), pods: &fakePods{running: map[string]bool{}, limits: map[string][]systemd.Limits{}, alive: map[string]string{}}, log: &fakeLog{},
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
	record, err := enrolled.Open(t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	pods := newPods(h.pods, h.rules, t.TempDir(), slog.New(slog.DiscardHandler))
	pods.exec, pods.hits, pods.trees, h.trees.end = h.pods.exec, h.pods.hit, h.trees, pods.End
	h.Warden = newWarden(keys, h.rules, h.log, h.trees, pods, record, slog.New(slog.DiscardHandler))
	h.host = "host"
	if pods.recordings, err = openRecordings(t.TempDir(), h.rules); err != nil {
		t.Fatal(err)
	}
	pods.lives, pods.living, pods.kill = h.pods.lives, h.pods.living, h.pods.killSession
	if err := h.settleSessions(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pods.sessions.leave)
	h.version, h.policyPlace, h.lastRequests = "test", "test.hcl", 50*time.Millisecond
	return h
}

// start has the warden serve on sockets of its own until the test ends. Whoever runs the tests is door, operator, account and forkgate-egress.
func (h *host) start(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	t.Cleanup(func() {
		cancel()
		serving.Wait()
	})
	dir := t.TempDir()
	h.door, h.operator, h.account, h.egress = filepath.Join(dir, "door"), filepath.Join(dir, "operator"), filepath.Join(dir, "account"), filepath.Join(dir, "egress")
	me := uint32(os.Getuid())
	for path, socket := range map[string]Socket{
		h.door: {speaks: map[uint32]role{me: door}}, h.egress: {speaks: map[uint32]role{me: outlet}}, h.operator: {speaks: map[uint32]role{me: operator}}, h.account: DoorSocket(me+1, 0),
	} {
		l, err := wire.Listen(path, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		serving.Go(func() { h.serve(ctx, l, socket) })
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
	has, err := c.HostKeys(t.Context())
	keys := has.Keys
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
	_, err := c.Assert(t.Context(), client.AssertRequest{User: []byte(user), Key: key.Marshal(), SessionID: signHash(t, c)})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// asserted is what an assertion came to.
func asserted(_ client.AssertReply, err error) error { return err }

func say(text ...string) (all [][]byte) {
	for _, w := range text {
		all = append(all, []byte(w))
	}
	return all
}
