package warden

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"forkgate/gate"
	"forkgate/gate/enrolled"
	"forkgate/gate/grants"
	"forkgate/gate/warden/client"
	"forkgate/nsjail/docker"
	"forkgate/tests/keys"
)

// approvals lets agents ask for demo, and carol, dave and the agents' own principal approve.
const approvals = `
approve "at-demo" {
  when = caller.kind == "agent" && target.repo == "demo" && target.grand
  wait = "20s"
  uses = 1
}
permit "approvers" {
  when = op == "approve" && (caller.principal == "carol" || caller.principal == "bob")
}
permit "grants-are-taken-back" {
  when = op == "revoke" && (request.asker == caller.principal || request.approver == caller.principal)
}
principal "carol" {
  keys = [%q]
}
principal "dave" {
  keys = [%q]
}
`

// granting is a host where something may be approved: by whom, and what lives of what was granted, is fake.
type granting struct {
	*host
	shelf       *paper
	carol, dave ssh.PublicKey
	callers     sync.Map // principal -> func(*gate.Caller), what is made of who speaks
	daemon      fakeDaemon
	enrolled    map[string]enrolled.Key // by marshalled key

	mu    sync.Mutex
	alive map[string]bool // sessions
}

// classed makes of a policy one that says of callers what the test wants.
type classed struct {
	Policy
	g *granting
}

func (c classed) Caller(e gate.Evidence) gate.Caller {
	who := c.Policy.Caller(e)
	if change, ok := c.g.callers.Load(who.Principal); ok {
		change.(func(*gate.Caller))(&who)
	}
	return who
}

func byTouch(who *gate.Caller) {
	who.Kind, who.Class, who.SecurityKey, who.Enrolled = gate.Human, gate.ClassPresence, "hers", true
}

func newGranting(t *testing.T) *granting {
	t.Helper()
	g := &granting{host: newHost(t), carol: newKey(t), dave: newKey(t), shelf: newPaper(), alive: map[string]bool{}, enrolled: map[string]enrolled.Key{}}
	g.text = strings.ReplaceAll(g.text, `caller.kind == "agent" && target.grand &&`, `caller.kind == "agent" && target.grand && !grant.held &&`)
	g.text += fmt.Sprintf(approvals, line(g.carol), line(g.dave))
	load := g.rules.load
	g.rules.load = func() (Policy, error) {
		p, err := load()
		if err != nil {
			return nil, err
		}
		return classed{p, g}, nil
	}
	if err := g.rules.reload(); err != nil {
		t.Fatal(err)
	}
	g.callers.Store("carol", byTouch)
	g.restart(t)
	g.start(t)
	return g
}

// restart reads the book as a new warden does.
func (g *granting) restart(t *testing.T) {
	t.Helper()
	book, err := grants.Open(g.shelf, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	g.granter = newGranter(book, g.Warden)
	g.granter.keys = g
	g.granter.containers = func(string) containers { return &g.daemon }
	g.granter.lives = func(_, session string) (bool, error) {
		g.mu.Lock()
		defer g.mu.Unlock()
		return g.alive[session], nil
	}
	g.granter.end = func(_ context.Context, _, session string) error { g.live(session, false); return nil }
	g.grantBy(g.granter)
}

func (g *granting) live(session string, alive bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.alive[session] = alive
}

func (g *granting) lives(session string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.alive[session]
}

func (g *granting) Find(key ssh.PublicKey) (enrolled.Key, bool) {
	k, ok := g.enrolled[string(key.Marshal())]
	return k, ok
}

// asking is a session of bob's agent that waits at demo.
type asking struct {
	id     string
	told   string
	result chan error
	leave  func()
}

func (g *granting) ask(t *testing.T) asking {
	t.Helper()
	return g.asks(t, client.OpenRequest{Op: "exec", Command: []byte("make deploy")})
}

func (g *granting) asks(t *testing.T, what client.OpenRequest) asking {
	t.Helper()
	ctx, leave := context.WithCancel(t.Context())
	told := make(chan string, 1)
	c := g.connect(t, "demo", g.bob)
	a := asking{result: make(chan error, 1), leave: leave}
	go func() {
		what.Told = func(text string) { told <- text }
		s, err := c.Open(ctx, what)
		if err == nil {
			g.live(s.ID, true)
			t.Cleanup(func() { s.Close() })
		}
		a.result <- err
	}()
	select {
	case text := <-told:
		_, request, waits := strings.Cut(text, "forkgate: demo needs a person's approval; request ")
		if !waits {
			t.Fatalf("it is told %q", text)
		}
		a.id, a.told = strings.Fields(request)[0], text
	case err := <-a.result:
		t.Fatalf("it does not wait: %v", err)
	}
	return a
}

func (g *granting) word(t *testing.T, key ssh.PublicKey, words ...string) (string, error) {
	t.Helper()
	page, err := g.connect(t, "gate", key).Verb(t.Context(), client.VerbRequest{Words: say(words...)})
	return string(page), err
}

// code is what stands below a request for who may approve it.
func (g *granting) code(t *testing.T, id string) string {
	t.Helper()
	var shown grantView
	page, err := g.connect(t, "gate", g.carol).Verb(t.Context(), client.VerbRequest{Words: say("grants", id), JSON: true})
	if err == nil {
		err = json.Unmarshal(page, &shown)
	}
	if err != nil {
		t.Fatal(err)
	}
	return shown.Code
}

// approve is carol's touch, with the code that she has read.
func (g *granting) approve(t *testing.T, id string) (string, error) {
	t.Helper()
	return g.word(t, g.carol, "approve", id, g.code(t, id))
}

func (g *granting) logged(t *testing.T, want string) {
	t.Helper()
	for _, l := range g.log.all() {
		if strings.Contains(l, want) {
			return
		}
	}
	t.Errorf("the log does not have %q:\n%s", want, strings.Join(g.log.all(), "\n"))
}

// granted is a session of bob's that carol has let in.
func (g *granting) granted(t *testing.T) (id, session string) {
	t.Helper()
	a := g.ask(t)
	if _, err := g.approve(t, a.id); err != nil {
		t.Fatal(err)
	}
	if err := <-a.result; err != nil {
		t.Fatal(err)
	}
	grant, ok := g.granter.book.Grant(a.id)
	if !ok {
		t.Fatal("there is no grant")
	}
	return a.id, grant.Sessions[0].Name
}

// paper is a shelf that outlives wardens, and that a test reads while one of them writes.
type paper struct {
	mu      sync.Mutex
	records map[string][]byte
}

func newPaper() *paper { return &paper{records: map[string][]byte{}} }

func (p *paper) Put(key string, record []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.records[key] = record
	return nil
}

func (p *paper) Delete(key string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.records, key)
	return nil
}

func (p *paper) All() (map[string][]byte, error) { return p.all(), nil }

func (p *paper) all() map[string][]byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.records)
}

// fakeDaemon is a pod's Docker daemon.
type fakeDaemon struct {
	mu      sync.Mutex
	has     docker.Inventory
	fail    error
	stopped []string
}

func (d *fakeDaemon) change(change func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change()
}

func (d *fakeDaemon) makes(more ...docker.Thing) {
	d.change(func() { d.has.Containers = append(slices.Clone(d.has.Containers), more...) })
}

func (d *fakeDaemon) List(context.Context) (docker.Inventory, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.has, d.fail
}

func (d *fakeDaemon) Stop(_ context.Context, id string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stopped = append(d.stopped, id)
	return nil
}

// signature is what somebody signs with a security key, as one word.
func (g *granting) signature(t *testing.T, key *keys.SecurityKey, text string) string {
	t.Helper()
	var word strings.Builder
	for l := range strings.Lines(string(keys.SSHSIG(t, key, "grant@forkgate", []byte(text)))) {
		if !strings.HasPrefix(l, "---") {
			word.WriteString(strings.TrimSpace(l))
		}
	}
	return word.String()
}

func refusedWith(err error, part string) bool {
	r, ok := gate.AsRefusal(err)
	return ok && strings.Contains(r.Reason, part)
}

var errDaemon = errors.New("the Docker daemon does not start")
