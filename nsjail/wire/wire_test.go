package wire

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func pair(t *testing.T) (*Conn, *Conn) {
	t.Helper()
	a, f, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	b, err := NewConn(f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

func TestMessageCarriesBytesAndDescriptors(t *testing.T) {
	a, b := pair(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	want := Exec{Session: "s", Command: []byte("\xff\x00 not UTF-8")}
	if err := a.Send(7, TypeExec, want, w); err != nil {
		t.Fatal(err)
	}
	w.Close()
	m, files, err := b.Receive()
	if err != nil {
		t.Fatal(err)
	}
	defer CloseAll(files)
	var got Exec
	if err := m.Decode(&got); err != nil || string(got.Command) != string(want.Command) || m.ID != 7 {
		t.Errorf("received %+v with ID %d, %v", got, m.ID, err)
	}
	if _, err := files[0].Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	files[0].Close()
	if text, _ := io.ReadAll(r); string(text) != "x" {
		t.Errorf("the descriptor leads elsewhere: %q", text)
	}
}

func TestSentPipesStayAsTheyWere(t *testing.T) {
	a, _ := pair(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	if err := a.Send(0, "x", nil, r); err != nil {
		t.Fatal(err)
	}
	if err := r.SetReadDeadline(time.Now()); err != nil {
		t.Errorf("sending a pipe took it from the poller: %v", err)
	}
}

// A peer sends what is no message. The connection says so, and keeps no descriptor.
func TestMalformed(t *testing.T) {
	for what, data := range map[string]string{
		"no JSON":               "hello",
		"two values":            `{"type":"a"} {"type":"b"}`,
		"an unknown field":      `{"type":"a","sudo":true}`,
		"fewer files than told": `{"type":"a","files":2}`,
		"more files than told":  `{"type":"a","files":0}`,
		"an empty datagram":     "",
		"too much":              `{"type":"` + strings.Repeat("a", MaxMessage) + `"}`,
	} {
		t.Run(what, func(t *testing.T) {
			a, b := pair(t)
			f, err := os.Open(os.DevNull)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			before := countDescriptors(t)
			if err := a.write(func(fd int) error {
				return unix.Sendmsg(fd, []byte(data), unix.UnixRights(int(f.Fd())), nil, 0)
			}); err != nil {
				t.Fatal(err)
			}
			if _, _, err := b.Receive(); !errors.Is(err, ErrMalformed) {
				t.Errorf("received with %v", err)
			}
			if after := countDescriptors(t); after != before {
				t.Errorf("%d descriptors became %d", before, after)
			}
		})
	}
}

func TestTooManyDescriptors(t *testing.T) {
	a, b := pair(t)
	fds := make([]int, MaxFiles+1)
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for i := range fds {
		fds[i] = int(null.Fd())
	}
	before := countDescriptors(t)
	if err := a.write(func(fd int) error {
		return unix.Sendmsg(fd, []byte(`{"type":"a","files":9}`), unix.UnixRights(fds...), nil, 0)
	}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.Receive(); !errors.Is(err, ErrMalformed) {
		t.Errorf("received with %v", err)
	}
	if after := countDescriptors(t); after != before {
		t.Errorf("%d descriptors became %d", before, after)
	}
}

func TestSendRefusesWhatDoesNotFit(t *testing.T) {
	a, _ := pair(t)
	if err := a.Send(0, "x", strings.Repeat("a", MaxLarge)); err == nil {
		t.Error("a body of more than MaxLarge was sent")
	}
}

func TestLargeBody(t *testing.T) {
	a, b := pair(t)
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	before := countDescriptors(t)
	for _, size := range []int{100, 30 << 10, 33 << 10, 200 << 10, 700 << 10} {
		want := Exec{Command: []byte(strings.Repeat("\xff", size))}
		if err := a.Send(0, TypeExec, want, null); err != nil {
			t.Fatal(err)
		}
		m, files, err := b.Receive()
		if err != nil || len(files) != 1 || m.Large {
			t.Fatalf("%d bytes came with %d descriptors, %v", size, len(files), err)
		}
		var got Exec
		if err := m.Decode(&got); err != nil || string(got.Command) != string(want.Command) {
			t.Errorf("%d bytes came as %d, %v", size, len(got.Command), err)
		}
		CloseAll(files)
	}
	if after := countDescriptors(t); after != before {
		t.Errorf("%d descriptors became %d", before, after)
	}
}

// A peer sends a body that it can still change, or that never ends.
func TestLargeBodyMustBeSealed(t *testing.T) {
	fd, err := unix.MemfdCreate("x", unix.MFD_ALLOW_SEALING)
	if err != nil {
		t.Fatal(err)
	}
	open := os.NewFile(uintptr(fd), "x")
	defer open.Close()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	for what, f := range map[string]*os.File{"a memory file": open, "a pipe": r} {
		a, b := pair(t)
		if err := a.write(func(fd int) error {
			return unix.Sendmsg(fd, []byte(`{"type":"a","large":true}`), unix.UnixRights(int(f.Fd())), nil, 0)
		}); err != nil {
			t.Fatal(err)
		}
		if _, _, err := b.Receive(); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: received with %v", what, err)
		}
	}
}

func TestEnds(t *testing.T) {
	t.Run("the peer's", func(t *testing.T) {
		a, b := pair(t)
		a.Close()
		if _, _, err := b.Receive(); !errors.Is(err, io.EOF) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("our own, while waiting", func(t *testing.T) {
		a, _ := pair(t)
		time.AfterFunc(10*time.Millisecond, func() { a.Close() })
		if _, _, err := a.Receive(); !errors.Is(err, os.ErrClosed) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("the deadline", func(t *testing.T) {
		a, _ := pair(t)
		if err := a.SetDeadline(time.Now().Add(10 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if _, _, err := a.Receive(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

func TestListenerTellsWhoConnects(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	l, err := Listen(path, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := Listen(path, 0o600); err == nil {
		t.Error("two listeners on one path")
	}
	client, err := Dial(path)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	peer, err := server.Peer()
	if err != nil || int(peer.Uid) != os.Getuid() || int(peer.Pid) != os.Getpid() {
		t.Errorf("the peer is %+v, %v", peer, err)
	}
}

func countDescriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// Whatever a peer sends, it is an error or a message that encodes again to what it was.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"id":1,"type":"exec","body":{"session":"s"},"files":0}`), 0, 0)
	f.Add([]byte(`{`), unix.MSG_TRUNC, 3)
	f.Fuzz(func(t *testing.T, data []byte, flags, files int) {
		m, err := parse(data, flags, files)
		if err != nil {
			return
		}
		if m.Files != files {
			t.Errorf("%d descriptors were announced, %d accepted", m.Files, files)
		}
		if _, err := json.Marshal(m); err != nil {
			t.Errorf("a message that cannot be encoded again: %v", err)
		}
		_ = m.Decode(&Exec{})
	})
}
