package nsjail

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"forkgate/nsjail/wire"
)

// A pod of the build before is spoken to as that one was, with the files that it is sent; one that is older than that is not.
func TestAPodOfTheVersionBefore(t *testing.T) {
	newest := wire.Protocol{What: "a pod's", Oldest: 2, Newest: 3, Mend: "mend it"}
	for _, c := range []struct {
		pod   wire.Protocol
		heard []int
	}{
		{newest, []int{3}},
		{wire.Protocol{What: "a pod's", Oldest: 1, Newest: 2, Mend: "mend it"}, []int{3, 2}},
		{wire.Protocol{What: "a pod's", Oldest: 1, Newest: 1, Mend: "mend it"}, []int{3}},
		{wire.Protocol{What: "a pod's", Oldest: 4, Newest: 5, Mend: "mend it"}, []int{3}},
	} {
		socket := filepath.Join(t.TempDir(), "control")
		l, err := wire.Listen(socket, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		var heard []int
		served := make(chan error, 1)
		go func() { served <- old(l, c.pod, &heard) }()
		end, inner, err := wire.Pair()
		if err != nil {
			t.Fatal(err)
		}
		conn, err := ask(t.Context(), socket, newest, wire.Exec{Session: "s"}, []*os.File{inner})
		understood := c.pod.Knows(c.heard[len(c.heard)-1])
		if understood != (err == nil) || err != nil && !errors.Is(err, wire.ErrVersion) {
			t.Errorf("a pod that speaks %d to %d: %v", c.pod.Oldest, c.pod.Newest, err)
		}
		if conn != nil {
			conn.Close()
		}
		l.Close()
		if err := <-served; err != nil || !slices.Equal(heard, c.heard) {
			t.Errorf("a pod that speaks %d to %d hears %v, %v", c.pod.Oldest, c.pod.Newest, heard, err)
		}
		end.Close()
		inner.Close()
	}
}

// old is a pod that speaks a protocol, until l is closed.
func old(l *wire.Listener, p wire.Protocol, heard *[]int) error {
	for {
		conn, err := l.Accept()
		if err != nil {
			return nil
		}
		m, files, err := conn.Receive()
		wire.CloseAll(files)
		if err != nil || len(files) != 1 {
			return errors.Join(fmt.Errorf("%d files", len(files)), err)
		}
		*heard = append(*heard, m.Version)
		if p.Admit(conn, m) == nil {
			err = conn.Send(m.ID, wire.TypeTaken, struct{}{})
		}
		if err = errors.Join(err, conn.Close()); err != nil {
			return err
		}
	}
}
