package warden

import (
	"context"
	"encoding/json"
	"os"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"forkgate/nsjail/wire"
)

// Whatever comes as a datagram, from whichever role, ends in an answer or in the end of the connection; and without an
// asserted identity nothing is opened, without the operator's role nothing of his is done.
func FuzzDatagrams(f *testing.F) {
	h := newHost(f)
	for kind := range h.messages {
		data, _ := json.Marshal(wire.Message{ID: 1, Type: kind, Body: json.RawMessage("{}")})
		f.Add(uint8(door), data)
		f.Add(uint8(operator), data)
		f.Add(uint8(account), data)
	}
	f.Add(uint8(door), []byte(`{"id":1,"type":"open","body":{"op":"shell"}}`))
	f.Add(uint8(operator), []byte(`{"id":1,"type":"operator-verb","body":{"words":["c2hvdw==","ZGVtbw=="]}}`))
	f.Add(uint8(operator), []byte(`{"id":1,"type":"repo-create","body":{"name":"x"},"files":1}`))
	f.Add(uint8(door), []byte("\xff{"))
	f.Fuzz(func(t *testing.T, as uint8, data []byte) {
		if len(data) == 0 || len(data) > wire.MaxMessage {
			return
		}
		repos := len(h.trees.Repos())
		speak(t, h, role(as), data)
		if len(h.pods.ran()) > 0 {
			t.Fatal("something ran without an identity")
		}
		if role(as) != operator && len(h.trees.Repos()) != repos {
			t.Fatal("a repository was made without the operator")
		}
	})
}

// speak sends one datagram to a connection in a role, and then hangs up.
func speak(t *testing.T, h *host, as role, data []byte) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := wire.NewConn(os.NewFile(uintptr(fds[0]), "warden"))
	if err != nil {
		t.Fatal(err)
	}
	c := &connection{Warden: h.Warden, gate: h.gates[as], conn: theirs, role: as, uid: uint32(os.Getuid())}
	var serving sync.WaitGroup
	serving.Go(func() {
		defer theirs.Close()
		_ = c.serve(context.Background())
	})
	if _, err := unix.SendmsgN(fds[1], data, nil, nil, unix.MSG_NOSIGNAL); err != nil {
		t.Fatal(err)
	}
	unix.Shutdown(fds[1], unix.SHUT_WR)
	hung := time.AfterFunc(10*time.Second, func() { panic("a connection does not end") })
	serving.Wait()
	hung.Stop()
	unix.Close(fds[1])
}
