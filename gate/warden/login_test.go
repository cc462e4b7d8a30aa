package warden

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"forkgate/gate/warden/client"
)

// Who logs in to the host itself is on record before the answer comes; root alone says so, and where it cannot be written it is no success.
func TestLoginsToTheHost(t *testing.T) {
	h := newHost(t)
	h.start(t)
	q := client.LoginRequest{Account: "bob", Service: "sshd", Terminal: "ssh", From: "192.0.2.7", Why: "bob is not in the group forkgate-admin"}
	if err := dial(t, h.operator).Login(t.Context(), q); err != nil {
		t.Fatal(err)
	}
	if want := "login bob by sshd on ssh from 192.0.2.7: false, bob is not in the group forkgate-admin"; !slices.Contains(h.log.all(), want) {
		t.Errorf("the record is %q", h.log.all())
	}
	for name, place := range map[string]string{"a gate": h.door, "an account": h.account, "forkgate-egress": h.egress} {
		if err := dial(t, place).Login(t.Context(), q); !errors.Is(err, client.ErrGone) {
			t.Errorf("%s says who logs in: %v", name, err)
		}
	}
	for _, bad := range []client.LoginRequest{{Service: "sshd"}, {Account: "bob"}, {Account: strings.Repeat("x", maxLogin+1), Service: "sshd"}} {
		if err := dial(t, h.operator).Login(t.Context(), bad); err == nil {
			t.Errorf("%.40v is taken", bad)
		}
	}
	h.log.mu.Lock()
	h.log.fail = errors.New("no space left")
	h.log.mu.Unlock()
	if err := dial(t, h.operator).Login(t.Context(), q); err == nil {
		t.Error("it is said to be on record, and is not")
	}
}
