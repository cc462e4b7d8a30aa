package warden

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"forkgate/gate"
	"forkgate/gate/warden/client"
	"forkgate/nsjail/wire"
	"forkgate/tests/need"
)

func TestRoles(t *testing.T) {
	const gateUID = 990
	for _, c := range []struct {
		name   string
		socket Socket
		uid    uint32
		want   role
	}{
		{"the door on its socket", DoorSocket(gateUID, 991), gateUID, door},
		{"root on the door's socket", DoorSocket(gateUID, 991), 0, account},
		{"anybody on the door's socket", DoorSocket(gateUID, 991), 1000, account},
		{"forkgate-egress on the door's socket", DoorSocket(gateUID, 991), 991, outlet},
		{"root on it, where there is no such user", DoorSocket(gateUID, 0), 0, account},
		{"forkgate-egress on the operator's socket", OperatorSocket(), 991, nobody},
		{"root on the operator's socket", OperatorSocket(), 0, operator},
		{"the door on the operator's socket", OperatorSocket(), gateUID, nobody},
		{"root on a socket that is nobody's", Socket{}, 0, nobody},
	} {
		if got := c.socket.role(&unix.Ucred{Uid: c.uid}); got != c.want {
			t.Errorf("%s is %s, want %s", c.name, got, c.want)
		}
	}
}

// Another uid that has reached the socket is hung up on. The child of this test, with the same code, is the control.
func TestAnotherUIDIsNobody(t *testing.T) {
	if path := os.Getenv("WARDEN_TEST_DIAL"); path != "" {
		c, err := client.Dial(path)
		if err == nil {
			_, err = c.HostKeys(t.Context())
		}
		fmt.Println("answer:", err)
		return
	}
	need.Root(t)
	h := newHost(t)
	h.start(t)
	// Modes must not be what keeps the other uid out here.
	for dir := h.door; dir != "/tmp" && dir != "/"; dir = dir[:max(1, lastSlash(dir))] {
		_ = os.Chmod(dir, 0o777)
	}
	ask := func(uid uint32) string {
		self, err := os.Open("/proc/self/exe")
		if err != nil {
			t.Fatal(err)
		}
		defer self.Close()
		cmd := exec.Command("/proc/self/fd/3", "-test.run=^TestAnotherUIDIsNobody$")
		cmd.ExtraFiles = []*os.File{self}
		cmd.Env = []string{"WARDEN_TEST_DIAL=" + h.door}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return string(out[:len("answer: <nil>")])
	}
	if got := ask(12345); got == "answer: <nil>" {
		t.Error("another uid is answered")
	}
	if got := ask(0); got != "answer: <nil>" {
		t.Errorf("control: the right uid gets %q", got)
	}
}

func lastSlash(path string) int {
	for i := len(path) - 1; i >= 0; i-- {
		if path[i] == '/' {
			return i
		}
	}
	return 0
}

// Every type of message is tried in every role, before and after an identity is asserted: what the table does not grant ends
// the connection. The table that this test expects is written out once more on purpose.
func TestWhoMaySayWhat(t *testing.T) {
	h := newHost(t)
	type state struct {
		role     role
		asserted bool
	}
	doorEarly, doorLate, op := state{door, false}, state{door, true}, state{operator, false}
	ownEarly, ownLate := state{account, false}, state{account, true}
	egress := state{outlet, false}
	want := map[string][]state{
		"hostkeys": {doorEarly, doorLate}, "sign": {doorEarly, doorLate}, "identify": {doorEarly, doorLate},
		"assert": {doorEarly}, "account": {ownEarly},
		"open": {doorLate, ownLate}, "verb": {doorLate, ownLate}, "struck": {doorLate, ownLate},
		"operator-verb": {op}, "status": {op}, "down": {op}, "repo-create": {op}, "repo-remove": {op}, "repo-run": {op}, "rootfs-import": {op},
		"rootfs-list": {op}, "reading": {op}, "login": {op}, "keep": {op}, "kept": {op}, "drop": {op}, "restore": {op}, "secret-set": {op}, "secret-list": {op}, "secret-remove": {op}, "key-enroll": {op}, "key-list": {op}, "key-remove": {op},
		"prove": {doorLate}, "touch": {doorLate}, "untouched": {doorEarly, doorLate}, "ended": {doorEarly, doorLate}, "files": {doorEarly, doorLate}, "untaped": {doorEarly, doorLate},
		"strangers": {doorEarly, doorLate}, "denied": {egress},
		"give-up": {doorEarly, doorLate, op, {operator, true}, ownEarly, ownLate},
	}
	if len(want) != len(h.messages) {
		t.Errorf("the table has %d types, this test %d", len(h.messages), len(want))
	}
	for kind := range h.messages {
		for _, s := range []state{doorEarly, doorLate, op, {operator, true}, ownEarly, ownLate, egress, {outlet, true}, {nobody, false}, {nobody, true}} {
			c := &connection{Warden: h.Warden, role: s.role}
			if s.asserted {
				c.identity = &identity{}
			}
			_, _, err := c.admit(wire.Message{Type: kind, Body: json.RawMessage("{}")}, 0)
			granted := false
			for _, g := range want[kind] {
				granted = granted || g == s
			}
			if granted != (err == nil) {
				t.Errorf("%s from %s, asserted %v: %v", kind, s.role, s.asserted, err)
			}
		}
	}
}

// A taken gate asks for what is the operator's.
func TestADoorThatSpeaksAsTheOperatorIsHungUpOn(t *testing.T) {
	h := newHost(t)
	h.start(t)
	c := h.connect(t, "gate", h.alice)
	if err := c.RepoCreate(t.Context(), client.RepoCreateRequest{Name: "mine"}, nil, nil); !errors.Is(err, client.ErrGone) {
		t.Errorf("repo create: %v", err)
	}
	c = h.connect(t, "gate", h.alice)
	if _, err := c.OperatorVerb(t.Context(), client.VerbRequest{Words: say("show", "secret")}); !errors.Is(err, client.ErrGone) {
		t.Errorf("show as the operator: %v", err)
	}
	if _, made := h.trees.Find("mine", ""); made {
		t.Error("the repository was made")
	}
	if err := dial(t, h.operator).RepoCreate(t.Context(), client.RepoCreateRequest{Name: "mine"}, nil, nil); err != nil {
		t.Errorf("control: the operator: %v", err)
	}
}

func TestAnIdentityIsAssertedOnce(t *testing.T) {
	h := newHost(t)
	h.start(t)
	c := h.connect(t, "demo", h.bob)
	_, err := c.Assert(t.Context(), client.AssertRequest{User: []byte("demo"), Key: h.alice.Marshal(), SessionID: signHash(t, c)})
	if !errors.Is(err, client.ErrGone) {
		t.Errorf("a second identity: %v", err)
	}
}

func TestMalformedMessagesEndTheConnection(t *testing.T) {
	h := newHost(t)
	h.start(t)
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for name, send := range map[string]func(*wire.Conn) error{
		"an unknown type":   func(c *wire.Conn) error { return c.Send(1, "hello", struct{}{}) },
		"an unknown field":  func(c *wire.Conn) error { return c.Send(1, client.TypeIdentify, map[string]int{"uid": 0}) },
		"a wrong type":      func(c *wire.Conn) error { return c.Send(1, client.TypeIdentify, "x") },
		"a descriptor":      func(c *wire.Conn) error { return c.Send(1, client.TypeHostKeys, struct{}{}, null) },
		"nothing of a body": func(c *wire.Conn) error { return c.Send(1, client.TypeIdentify, nil) },
	} {
		c, err := wire.Dial(h.door)
		if err != nil {
			t.Fatal(err)
		}
		if err := send(c); err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		m, files, err := c.Receive()
		wire.CloseAll(files)
		if name == "nothing of a body" && err == nil { // null decodes as an empty request
			err = io.EOF
		}
		if !errors.Is(err, io.EOF) {
			t.Errorf("%s is answered with %v, %v", name, m, err)
		}
		c.Close()
	}
}

func TestConnectionsAreCapped(t *testing.T) {
	h := newHost(t)
	h.connections[door] = newLimit[uint32](2)
	h.start(t)
	a, b := dial(t, h.door), dial(t, h.door)
	for _, c := range []*client.Client{a, b} {
		if _, err := c.HostKeys(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := dial(t, h.door).HostKeys(t.Context()); err == nil {
		t.Error("a third connection is answered")
	}
	a.Close()
	for h.connections[door].count(uint32(os.Getuid())) > 1 {
	}
	if _, err := dial(t, h.door).HostKeys(t.Context()); err != nil {
		t.Errorf("after one has gone: %v", err)
	}
}

func TestLoginsAreCapped(t *testing.T) {
	h := newHost(t)
	h.logins = newLimit[login](1)
	h.start(t)
	first := h.connect(t, "gate", h.alice)
	logIn := func(user string) error {
		c := dial(t, h.door)
		return asserted(c.Assert(t.Context(), client.AssertRequest{User: []byte(user), Key: h.alice.Marshal(), SessionID: signHash(t, c)}))
	}
	if _, refused := gate.AsRefusal(logIn("gate")); !refused {
		t.Error("a second connection of one principal is taken")
	}
	if err := logIn("demo"); err != nil {
		t.Errorf("connections to the gate and into pods are not counted apart: %v", err)
	}
	if _, refused := gate.AsRefusal(logIn("demo")); !refused {
		t.Error("a second connection into pods is taken")
	}
	h.log.mu.Lock()
	lines := fmt.Append(nil, h.log.lines)
	h.log.mu.Unlock()
	if n := bytes.Count(lines, []byte("connections already, which is the limit")); n != 2 {
		t.Errorf("%d refusals are on record", n)
	}
	first.Close()
	for h.logins.count(login{principal: "alice", control: true}) > 0 {
	}
	if err := logIn("gate"); err != nil {
		t.Errorf("after the first has gone: %v", err)
	}
}

func TestAPanicIsOneCallersFailure(t *testing.T) {
	h := newHost(t)
	h.Warden.words["whoami"] = func(context.Context, *word) (page, error) { panic("a bug") }
	h.start(t)
	c := h.connect(t, "gate", h.alice)
	var failed *client.Failed
	if _, err := c.Verb(t.Context(), client.VerbRequest{Words: say("whoami")}); !errors.As(err, &failed) {
		t.Errorf("it says %v", err)
	}
	if _, err := c.Verb(t.Context(), client.VerbRequest{Words: say("help")}); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	if n := h.turns.underWay.count("alice"); n != 0 {
		t.Errorf("%d requests are still counted", n)
	}
}
