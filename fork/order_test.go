package fork

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"forkgate/tests/need"
)

// ordered writes two files one after the other, each time one number to both, and writes nothing before what it wrote is on the disk: what a
// database does with its journal and its tables. Whoever sees the second ahead of the first sees what never was.
type ordered struct {
	journal, table *os.File
	written        atomic.Uint64
	stop           chan struct{}
	ended          sync.WaitGroup
	err            error
}

// startOrdered has files made between the two: what copies a directory file by file comes by them in between.
func startOrdered(t *testing.T, dir string, between int) *ordered {
	t.Helper()
	o := &ordered{stop: make(chan struct{})}
	open := func(name string) *os.File {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	o.journal = open("journal")
	for n := range between {
		write(t, filepath.Join(dir, fmt.Sprintf("between-%d", n)), "x")
	}
	o.table = open("table")
	o.ended.Go(func() {
		for n := uint64(1); o.err == nil; n++ {
			select {
			case <-o.stop:
				return
			default:
				o.err = o.put(n)
			}
		}
	})
	t.Cleanup(o.end)
	need.Eventually(t, "the writer", func() bool { return o.written.Load() > 3 })
	return o
}

func (o *ordered) put(n uint64) error {
	for _, f := range []*os.File{o.journal, o.table} {
		if _, err := f.WriteAt(binary.BigEndian.AppendUint64(nil, n), 0); err != nil {
			return err
		}
		if err := f.Sync(); err != nil {
			return err
		}
	}
	o.written.Store(n)
	return nil
}

func (o *ordered) end() {
	select {
	case <-o.stop:
	default:
		close(o.stop)
	}
	o.ended.Wait()
}

// seen reads a copy of the two, and says whether it is of one instant, not before since.
func seen(t *testing.T, dir string, since uint64) (whole bool) {
	t.Helper()
	read := func(name string) uint64 {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || len(text) != 8 {
			t.Fatalf("%s has %d bytes, %v", name, len(text), err)
		}
		return binary.BigEndian.Uint64(text)
	}
	journal, table := read("journal"), read("table")
	if table < since {
		t.Errorf("the copy has %d, and %d was on the disk before it was asked for", table, since)
	}
	return journal == table || journal == table+1
}

// A fork is of one instant: 400 of them under a writer that orders what it writes show no other order, and nothing older than what was acknowledged
// before. The control is a copy of extents file by file, which is as fast for so few bytes, and of many instants.
func TestForksKeepTheOrder(t *testing.T) {
	s := newStore(t, Options{})
	demo := createRepo(t, s, "demo", Source{})
	data := s.Dirs(demo).Data
	o := startOrdered(t, data, 3000)
	for n := range 400 {
		since := o.written.Load()
		f := makeFork(t, s, demo, fmt.Sprint("n", n))
		if !seen(t, s.Dirs(f).Data, since) {
			t.Errorf("fork %d is of two instants", n)
		}
		if err := s.Remove(context.Background(), f.GUID); err != nil {
			t.Fatal(err)
		}
	}
	broken := 0
	for n := range 20 {
		dir := filepath.Join(s.pool, fmt.Sprint("copy", n))
		if out, err := exec.Command("cp", "-a", "--reflink=always", data, dir).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if !seen(t, dir, 0) {
			broken++
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
	o.end()
	if o.err != nil {
		t.Fatal(o.err)
	}
	t.Logf("%d writes; of 20 copies file by file %d were of two instants", o.written.Load(), broken)
	if broken == 0 {
		t.Error("no copy file by file broke the order: this test shows nothing")
	}
}
