package vm

import (
	"encoding/json"
	"net"
	"slices"
	"testing"
	"time"
)

// Reboot has the host boot again, as a person does who says so there. What it wrote to its disks is kept.
func (v *VM) Reboot(t testing.TB) {
	t.Helper()
	v.again(t, func() {
		v.Must(t, "sh", "-c", "{ sleep 1; systemctl reboot; } >/dev/null 2>&1 &") // the agent is to answer before it ends
	})
}

// Cut has the host lose its power, and boot again. What it had not yet written to its disks is gone.
func (v *VM) Cut(t testing.TB) {
	t.Helper()
	v.again(t, func() { v.monitor.order(t, "system_reset", nil) })
}

// again returns when systemd calls the host running once more. A kernel that panics still ends qemu, at any other time.
func (v *VM) again(t testing.TB, how func()) {
	t.Helper()
	v.monitor.order(t, "set-action", map[string]string{"reboot": "reset"})
	v.monitor.events = nil
	how()
	v.monitor.await(t, "RESET") // and there is another one: SeaBIOS wants it
	if r := v.Run(t, "", "systemctl", "is-system-running", "--wait"); r.Code != 0 {
		t.Errorf("after the boot the host is %s%s", r.Stdout, v.Must(t, "systemctl", "list-units", "--failed", "--plain", "--no-legend"))
	}
	v.monitor.order(t, "set-action", map[string]string{"reboot": "shutdown"})
}

// monitor is where qemu takes orders, in its QMP.
type monitor struct {
	conn   net.Conn
	in     *json.Decoder
	events []string // that nobody has waited for
}

// message is what comes from there: one of these, or qemu's greeting.
type message struct {
	Event  string
	Return json.RawMessage
	Error  *struct{ Desc string }
}

// hurry gives qemu its time for one thing. What it was given for the last one may be over.
func (m *monitor) hurry(t testing.TB) {
	t.Helper()
	if err := m.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
}

func (m *monitor) next(t testing.TB) (got message) {
	t.Helper()
	m.hurry(t)
	if err := m.in.Decode(&got); err != nil {
		t.Fatalf("qemu's monitor says nothing: %v", err)
	}
	if got.Event != "" {
		m.events = append(m.events, got.Event)
	}
	return got
}

func (m *monitor) order(t testing.TB, execute string, arguments map[string]string) {
	t.Helper()
	words := map[string]any{"execute": execute}
	if arguments != nil {
		words["arguments"] = arguments
	}
	m.hurry(t)
	if err := json.NewEncoder(m.conn).Encode(words); err != nil {
		t.Fatalf("cannot tell qemu %s: %v", execute, err)
	}
	for {
		switch got := m.next(t); {
		case got.Error != nil:
			t.Fatalf("qemu does not %s: %s", execute, got.Error.Desc)
		case got.Return != nil:
			return
		}
	}
}

func (m *monitor) await(t testing.TB, event string) {
	t.Helper()
	for !slices.Contains(m.events, event) {
		m.next(t)
	}
}
