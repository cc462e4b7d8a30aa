package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"forkgate/cmd/forkgate/doors"
	"forkgate/gate"
	"forkgate/gate/warden/client"
)

// What PAM is told, with a warden that writes the record and with one that is down.
func TestAdmitsWithAndWithoutTheRecord(t *testing.T) {
	for _, c := range []struct {
		name    string
		verdict doors.Verdict
		down    bool
		code    int
		says    string
	}{
		{"an admin", doors.Verdict{Let: true, Glass: true}, false, 0, ""},
		{"an admin, warden down", doors.Verdict{Let: true, Glass: true}, true, 0, "in no record"},
		{"a forced account", doors.Verdict{Let: true}, false, 0, ""},
		{"a forced account, warden down", doors.Verdict{Let: true}, true, gate.ExitFailed, "cannot be put on record"},
		{"nobody", doors.Verdict{Why: "bob is not in it"}, false, gate.ExitRefused, "bob is not in it"},
		{"nobody, warden down", doors.Verdict{Glass: true, Why: "bob\x1b is not in it"}, true, gate.ExitRefused, "hint: "},
	} {
		var out bytes.Buffer
		asked := client.LoginRequest{}
		err := admit(t.Context(), &out, doors.Login{User: "bob", Service: "sshd", From: "192.0.2.1"}, c.verdict, func(_ context.Context, q client.LoginRequest) error {
			if asked = q; c.down {
				return errors.New("no warden")
			}
			return nil
		})
		var how ended
		if errors.As(err, &how); how.Code != c.code || !strings.Contains(out.String(), c.says) || c.says == "" && out.Len() > 0 || strings.Contains(out.String(), "\x1b") {
			t.Errorf("%s: %v, %q", c.name, err, out.String())
		}
		if asked.Account != "bob" || asked.Let != c.verdict.Let {
			t.Errorf("%s: the record has %+v", c.name, asked)
		}
	}
}
