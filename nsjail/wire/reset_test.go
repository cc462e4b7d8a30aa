package wire_test

import (
	"errors"
	"io"
	"testing"

	"forkgate/nsjail/wire"
)

// A peer's last words arrive although it closed without reading what was sent to it. A session ends like that when the
// window is being resized.
func TestLastWordsAfterUnreadMessages(t *testing.T) {
	ours, f, err := wire.Pair()
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	theirs, err := wire.NewConn(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := ours.Send(0, wire.TypeResize, wire.Resize{Columns: 80}); err != nil {
		t.Fatal(err)
	}
	if err := theirs.Send(0, wire.TypeExit, wire.Exit{Code: 3}); err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	m, _, err := ours.Receive()
	if err != nil || m.Type != wire.TypeExit {
		t.Fatalf("got %q, %v instead of the exit", m.Type, err)
	}
	if _, _, err := ours.Receive(); !errors.Is(err, io.EOF) {
		t.Fatalf("then %v instead of end of file", err)
	}
}
