package wire

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// service answers claims as it is told, and counts them.
type service struct {
	l      *Listener
	asked  atomic.Int32
	answer func(*Conn)
	conns  chan *Conn
}

func serve(t *testing.T, path string, answer func(*Conn)) *service {
	t.Helper()
	l, err := Listen(path, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	s := &service{l: l, answer: answer, conns: make(chan *Conn, 100)}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if _, files, err := c.Receive(); err == nil {
				CloseAll(files)
				s.asked.Add(1)
				answer(c)
			}
			s.conns <- c
		}
	}()
	t.Cleanup(func() { l.Close() })
	return s
}

func granting(c *Conn) { _ = c.Send(0, Granted, map[string]int{"slot": 7}) }

// A claim is granted or refused; what is neither is an error, and nothing stays open then.
func TestAsk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	for name, answer := range map[string]func(*Conn){
		"refused":                 func(c *Conn) { _ = c.Send(0, Refused, Refusal{"there is no room"}) },
		"another":                 func(c *Conn) { _ = c.Send(0, "what", struct{}{}) },
		"nothing":                 func(c *Conn) { c.Close() },
		"a reply of another form": func(c *Conn) { _ = c.Send(0, Granted, []int{1}) },
	} {
		s := serve(t, path, answer)
		var reply map[string]int
		_, err := Claim{Socket: path, Type: "up", Body: struct{}{}}.Ask(t.Context(), &reply)
		if err == nil || name == "refused" && !strings.Contains(err.Error(), "there is no room") {
			t.Errorf("%s: %v", name, err)
		}
		s.l.Close()
		_ = os.Remove(path)
	}
	serve(t, path, granting)
	var reply map[string]int
	conn, err := Claim{Socket: path, Type: "up", Body: struct{}{}}.Ask(t.Context(), &reply)
	if err != nil || reply["slot"] != 7 {
		t.Fatalf("%v, %v", reply, err)
	}
	conn.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (Claim{Socket: path, Type: "up", Body: struct{}{}}).Ask(ctx, &reply); !errors.Is(err, context.Canceled) && err == nil {
		t.Errorf("when nobody wants it any more: %v", err)
	}
}

// Whoever loses a service claims anew, as often as it goes, and stops when told.
func TestKeep(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	s := serve(t, path, granting)
	ctx, cancel := context.WithCancel(context.Background())
	var back atomic.Int32
	c := Claim{Socket: path, Type: "up", Body: struct{}{}, Back: func() { back.Add(1) }}
	ask := func(ctx context.Context) (*Conn, error) { return c.Ask(ctx, &map[string]int{}) }
	conn, err := ask(ctx)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); c.Keep(ctx, conn, ask) }()
	for range 3 {
		(<-s.conns).Close()
	}
	(<-s.conns).Close()
	cancel()
	<-done
	if back.Load() < 2 || s.asked.Load() < 4 { // the last may not have come back before the end
		t.Errorf("asked %d times, back %d times", s.asked.Load(), back.Load())
	}
}
