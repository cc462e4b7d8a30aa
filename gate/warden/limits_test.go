package warden

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/ssh"

	"forkgate/fork"
	"forkgate/gate"
	"forkgate/gate/policy"
	"forkgate/gate/warden/client"
	"forkgate/nsjail"
	"forkgate/systemd"
)

const limiting = `
permit "tight forks" {
  when = op == "fork"
  limits {
    quota  = "1GiB"
    memory = "512MiB"
    cpu    = 0.5
    egress = ["*:443/tcp"]
  }
}
repository "demo" {
  publish   = ["443:8443/tcp"]
  egress    = ["*"]
  autostart = true
  memory    = "8GiB"
}
pods {
  resolvers           = ["192.0.2.53"]
  forks_per_principal = 3
}
`

func newLimitedHost(t *testing.T) *host {
	t.Helper()
	h := newHost(t)
	h.text += limiting
	if err := h.rules.reload(); err != nil {
		t.Fatal(err)
	}
	h.start(t)
	return h
}

func (h *host) enter(t *testing.T, user string) {
	t.Helper()
	key := h.bob
	if !strings.Contains(user, "+") {
		key = h.alice
	}
	s, err := h.connect(t, user, key).Open(t.Context(), client.OpenRequest{Op: "shell"})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
}

// What the decision said is stored with the fork, and what a policy says later changes nothing for it.
func TestLimitsOfAForkAreFixedWhenItIsMade(t *testing.T) {
	h := newLimitedHost(t)
	h.enter(t, "demo+x")
	made, _ := h.trees.Find("demo", "x")
	want := fork.Limits{Quota: 1 << 30, Memory: 512 << 20, Pids: policy.DefaultPids, CPU: 50, Egress: []string{"*:443/tcp"}}
	if diff := cmp.Diff(want, made.Limits); diff != "" {
		t.Error(diff)
	}
	h.text = strings.ReplaceAll(h.text, "512MiB", "256MiB")
	if err := h.rules.reload(); err != nil {
		t.Fatal(err)
	}
	spec, err := nsjail.ReadSpec(h.Warden.pods.runDir, made.GUID)
	network := nsjail.Network{Slot: made.Slot, Egress: []string{"*:443/tcp"}, Resolvers: []string{"192.0.2.53"}}
	if diff := cmp.Diff(network, spec.Network); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	units := h.pods.limitsOf(made.GUID)
	if !slices.Equal(units, []systemd.Limits{{Memory: 512 << 20, Tasks: policy.DefaultPids, CPU: 50}}) {
		t.Errorf("its unit was limited to %+v", units)
	}
	if err := h.trees.Remove(t.Context(), made.GUID); err != nil {
		t.Fatal(err)
	}
	if left := h.pods.limitsOf(made.GUID); left != nil {
		t.Error("removed, its unit is still limited")
	}
}

// systemd is told of a unit's limits once, and again when they have changed.
func TestAUnitIsLimitedWhenThatChanges(t *testing.T) {
	h := newLimitedHost(t)
	demo, _ := h.trees.Find("demo", "")
	enter := func() {
		_ = h.pods.Kill(t.Context(), unitOf(demo.GUID))
		h.enter(t, "demo")
	}
	enter()
	enter()
	h.text = strings.ReplaceAll(h.text, `memory    = "8GiB"`, "pids = 99\n  io = 7")
	if err := h.rules.reload(); err != nil {
		t.Fatal(err)
	}
	enter()
	want := []systemd.Limits{{Memory: 8 << 30}, {Tasks: 99, IO: 7}}
	if diff := cmp.Diff(want, h.pods.limitsOf(demo.GUID)); diff != "" || h.pods.starts() != 3 {
		t.Errorf("%d starts, %s", h.pods.starts(), diff)
	}
	spec, err := nsjail.ReadSpec(h.Warden.pods.runDir, demo.GUID)
	network := nsjail.Network{Slot: demo.Slot, Egress: []string{"*"}, Publish: []string{"443:8443/tcp"}, Resolvers: []string{"192.0.2.53"}}
	if diff := cmp.Diff(network, spec.Network); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
}

func TestWithoutAPolicyNothingIsReachedOrPublished(t *testing.T) {
	h := newLimitedHost(t)
	demo, _ := h.trees.Find("demo", "")
	h.rules.has.Store(&inForce{})
	if n := h.Warden.pods.network(demo); n.Links() {
		t.Errorf("%+v", n)
	}
	d := h.rules.Decide(gate.Request{Op: gate.OpFork, Door: operatorDoor})
	if d.Limits == nil || cmp.Diff(*d.Limits, policy.DefaultLimits()) != "" || h.rules.Pods().Forks != policy.DefaultForks {
		t.Errorf("the operator's forks have %v", d.Limits)
	}
}

func TestForksPerPrincipalAreThePolicys(t *testing.T) {
	if h := newLimitedHost(t); h.rules.Pods().Forks != 3 {
		t.Errorf("%d", h.rules.Pods().Forks)
	}
}

// A fork whose record is from before there were limits is not without any.
func TestOldForksHaveTheDefaults(t *testing.T) {
	h := newHost(t)
	got := h.rules.limitsOf(fork.Tree{Repo: "demo", Tag: "old"})
	if want := (gate.Limits{Memory: policy.DefaultMemory, Pids: policy.DefaultPids, CPU: policy.DefaultCPU}); cmp.Diff(want, got) != "" {
		t.Errorf("%+v", got)
	}
}

// The end of a fork is in the log, and happens without it too: a full disk must not keep production from getting room.
func TestTheEndOfAForkIsRecorded(t *testing.T) {
	h := newHost(t)
	tree := fork.Tree{GUID: "g", Repo: "demo", Tag: "x", Owner: "bob"}
	h.ending([]fork.Tree{tree}, fork.Room{Free: 40 << 20, Reserve: 100 << 20})
	const want = "service ending the fork demo:x (g) of bob: the pool has 40 MiB free, half of its reserve of 100 MiB is gone; enlarge it"
	if !h.log.has(want) {
		t.Errorf("the log has %q", h.log.all())
	}
	h.log.fail = errors.New("disk full")
	h.ending([]fork.Tree{tree}, fork.Room{})
}

// What a connection may have open is the policy's to say, and how many of them a principal has.
func TestBoundsOfConnections(t *testing.T) {
	h := newHost(t)
	h.start(t)
	asserts := func(user string, key ssh.PublicKey) (client.Bounds, error) {
		c := dial(t, h.door)
		reply, err := c.Assert(t.Context(), client.AssertRequest{User: []byte(user), Key: key.Marshal(), SessionID: signHash(t, c)})
		return reply.Bounds, err
	}
	if got, err := asserts("demo+x", h.bob); err != nil || got != (client.Bounds{Sessions: 16, Forwards: 64}) {
		t.Errorf("where nothing is said: %+v, %v", got, err)
	}
	h.more(t, "connections {\n  sessions = 3\n  forwards = 0\n  principal = 2\n  idle = \"1h\"\n}\n")
	if got, err := asserts("demo+x", h.bob); err != nil || got != (client.Bounds{Sessions: 3, Idle: time.Hour}) {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := asserts("demo+x", h.bob); !refusedWith(err, "bob has 2 connections already, which is the limit") {
		t.Errorf("a third connection: %v", err)
	}
	if _, err := asserts("demo", h.alice); err != nil {
		t.Errorf("another principal's: %v", err)
	}
}
