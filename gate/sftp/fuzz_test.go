package sftp

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"forkgate/gate"
)

// FuzzDecoder says pieces, each behind a byte of whose it is and how long it may be.
func FuzzDecoder(f *testing.F) {
	for _, pieces := range [][]piece{
		append(opened(3), client(typeWrite, 2, "h", uint64(0), "x"), status(2, 0), client(typeClose, 3, "h"), status(3, 0)),
		append(opened(1), client(typeRead, 2, "h", uint64(1), 9), server(typeData, 2, "abc"), client(typeClose, 3, "h"), status(3, 0)),
		append(hello(), client(typeRename, 1, "a", "b"), status(1, 0), client(typeExtended, 2, "hardlink@openssh.com", "a", "b"), status(2, 8)),
		append(hello(), client(typeSetstat, 1, "a", 0xf, uint64(1), 1, 2, 3, 4, 5), client(typeOpendir, 2, "d"), server(typeHandle, 2, "h")),
	} {
		var seed bytes.Buffer
		for _, p := range pieces {
			n := byte(len(p.bytes)) << 1
			if p.client {
				n |= 1
			}
			seed.WriteByte(n)
			seed.Write(p.bytes)
		}
		f.Add(seed.Bytes())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		d := New(func(op gate.FileOperation) error {
			if !slices.Contains(gate.FileWords(), op.Did) || op.Outcome == "" || len(op.Path) > gate.MaxFilePath || (op.SHA256 != "" && op.Partial) {
				t.Errorf("%+v", op)
			}
			return nil
		}, 1000)
		for len(data) > 0 {
			to := d.Answers()
			if data[0]&1 != 0 {
				to = d.Requests()
			}
			n := min(int(data[0]>>1), len(data)-1)
			_, _ = to.Write(data[1 : 1+n])
			data = data[1+n:]
			if d.room < 0 || d.room > maxRoom || len(d.asked) > maxAsked || len(d.open) > maxOpen {
				t.Fatalf("room %d, %d asked, %d open", d.room, len(d.asked), len(d.open))
			}
		}
		_ = d.Close()
	})
}

func BenchmarkDecoder(b *testing.B) {
	d := New(func(gate.FileOperation) error { return nil }, Everything)
	for _, p := range opened(openWrite) {
		to := d.Answers()
		if p.client {
			to = d.Requests()
		}
		if _, err := to.Write(p.bytes); err != nil {
			b.Fatal(err)
		}
	}
	text := strings.Repeat("x", 32<<10)
	b.SetBytes(int64(len(text)))
	at := uint64(0)
	for b.Loop() {
		w := client(typeWrite, 2, "h", at, text).bytes
		_, _ = d.Requests().Write(w[:20000])
		_, _ = d.Requests().Write(w[20000:])
		_, _ = d.Answers().Write(status(2, 0).bytes)
		at += uint64(len(text))
	}
}
