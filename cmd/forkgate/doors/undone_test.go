package doors

import (
	"net/netip"
	"slices"
	"testing"
)

// What was closed is told by name, with the units that were stopped; undone, there is nothing, and what a unit that is gone was is told.
func TestShut(t *testing.T) {
	h := build(t)
	if s, err := h.Shut(); err != nil || len(s.Ways)+len(s.Units) > 0 {
		t.Errorf("before: %+v, %v", s, err)
	}
	if _, err := h.Close(t.Context(), "sudo", "cron"); err != nil {
		t.Fatal(err)
	}
	b, err := h.openBook()
	if err != nil {
		t.Fatal(err)
	}
	b.Changes = append(b.Changes, change{Way: "listener 9/tcp", Path: shutUnit("once.service")}, change{Way: "listener 9/tcp", Undo: []string{"systemctl", "daemon-reload"}})
	if err := b.write(); err != nil {
		t.Fatal(err)
	}
	b.close()
	was, err := h.Shut()
	slices.Sort(was.Ways)
	if err != nil || !slices.Equal(was.Ways, []string{"cron", "listener 9/tcp", "sudo"}) || !slices.Equal(was.Units, []string{"once.service"}) {
		t.Errorf("closed: %+v, %v", was, err)
	}
	if opened := was.Without(was); len(opened.Ways)+len(opened.Units) > 0 {
		t.Errorf("where all is closed still it says %+v", opened)
	}
	if err := h.Undo(t.Context()); err != nil {
		t.Error(err)
	}
	left, err := h.Shut()
	if opened := was.Without(left); err != nil || len(opened.Ways) != 3 || len(opened.Units) != 1 {
		t.Errorf("undone: %+v, %v", opened, err)
	}
	h.programs["systemctl show "+properties+" -- once.service"] = "Id=once.service\nLoadState=not-found\n"
	h.programs["systemctl show "+properties+" -- other.service"] = "Id=other.service\nLoadState=loaded\n"
	if gone := h.Host.Gone(t.Context(), []string{"once.service", "other.service"}); !slices.Equal(gone, []string{"once.service"}) {
		t.Errorf("gone are %q", gone)
	}
}

// Taking the port is told as that, and who listens where when it is given back.
func TestPortsAreTold(t *testing.T) {
	h := build(t)
	h.programs["systemctl show "+properties+" -- ssh.socket"] = "Id=ssh.socket\nActiveState=inactive\n"
	h.programs["sshd -t"], h.programs["sh -c"] = "", ""
	says(&h.fake, "sshd -T", "port 22\n", "port 22\nlistenaddress 127.0.0.1:222\n")
	if _, err := h.TakePort(t.Context(), 22, netip.MustParseAddrPort("127.0.0.1:222")); err != nil {
		t.Fatal(err)
	}
	if s, err := h.Shut(); err != nil || !slices.Equal(s.Ways, []string{PortWay}) {
		t.Errorf("%+v, %v", s, err)
	}
	if sshd, gate, err := h.Host.Ports(t.Context()); sshd != "22" || gate != "2222" || err != nil {
		t.Errorf("sshd %q, gate %q, %v", sshd, gate, err)
	}
	h.failing = "sshd -T"
	if _, _, err := h.Host.Ports(t.Context()); err == nil {
		t.Error("what cannot be seen is told")
	}
}
