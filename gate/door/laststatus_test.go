package door_test

import (
	"io"
	"testing"
)

// A client that has said all closes its channel at end of file, as OpenSSH does with a ControlMaster: a status that came after that would
// be lost.
func TestStatusLongAfterOutput(t *testing.T) {
	t.Parallel()
	p := open(t)
	channel, requests, err := p.dial("demo").OpenChannel("session", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := channel.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	// It ends later than end of file waits for a status.
	mustRequest(t, channel, "exec", execReq{"exec >/dev/null 2>&1; sleep 4; exit 44"})
	if got := readAll(t, channel); got != "" {
		t.Errorf("%q", got)
	}
	channel.Close()
	if status := exitStatus(t, requests); status != 44 {
		t.Errorf("status %d, not 44", status)
	}
}

// Whoever could still send something hears of the end of the output while the command goes on, and gets its status later.
func TestEndOfOutputWhileInputIsOpen(t *testing.T) {
	t.Parallel()
	p := open(t)
	channel, requests, err := p.dial("demo").OpenChannel("session", nil)
	if err != nil {
		t.Fatal(err)
	}
	mustRequest(t, channel, "exec", execReq{"echo out; exec >/dev/null 2>&1; read word; exit 7"})
	if got := readAll(t, channel); got != "out\n" { // the command waits for what follows
		t.Errorf("%q", got)
	}
	if _, err := io.WriteString(channel, "word\n"); err != nil {
		t.Fatal(err)
	}
	if status := exitStatus(t, requests); status != 7 {
		t.Errorf("status %d, not 7", status)
	}
}
