package main

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

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

// What a user has put into the environment is not taken for PAM's word.
func TestAskedIsPAMsWord(t *testing.T) {
	const pam = "PATH=/bin\x00PAM_TYPE=account\x00PAM_SERVICE=sshd\x00PAM_USER=mallory\x00PAM_TTY=ssh\x00PAM_RHOST=192.0.2.1\x00PATH=/usr/bin\x00"
	want := doors.Login{Type: "account", Service: "sshd", User: "mallory", Terminal: "ssh", From: "192.0.2.1"}
	if who, err := asked(pam); who != want || err != nil {
		t.Errorf("%+v, %v", who, err)
	}
	for _, environ := range []string{"PAM_USER=ada\x00" + pam, pam + "PAM_USER=ada\x00", "PAM_RHOST\x00" + pam, pam + "PAM_USER=mallory"} {
		if who, err := asked(environ); err == nil {
			t.Errorf("%q: %+v", environ, who)
		}
	}
}

// A warden whose socket takes nobody any more keeps nobody waiting, who connects included.
func TestNobodyWaitsForAWardenThatHangs(t *testing.T) {
	place := filepath.Join(t.TempDir(), "socket")
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	address := &unix.SockaddrUnix{Name: place}
	if err := errors.Join(unix.Bind(fd, address), unix.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	for err := error(nil); err == nil; {
		client, failed := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
		if failed != nil {
			t.Fatal(failed)
		}
		defer unix.Close(client)
		err = unix.Connect(client, address)
	}
	t.Setenv("FORKGATE_OPERATOR_SOCKET", place)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := toldOf(ctx, client.LoginRequest{}); err == nil {
		t.Error("somebody has answered")
	}
	c := doorsCommand()
	c.SetContext(ctx)
	tellOfDoors(c, nil)
}
