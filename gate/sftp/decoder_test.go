package sftp

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math"
	"math/rand"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"forkgate/gate"
)

// piece is what one side sent at once.
type piece struct {
	client bool
	bytes  []byte
}

// recorded are the bytes of a real client and OpenSSH's server, in the order in which they came.
func recorded(t testing.TB, name string) (all []piece) {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name+".jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var side string
		var p piece
		if err := json.Unmarshal(lines.Bytes(), &[]any{&side, &p.bytes}); err != nil {
			t.Fatal(err)
		}
		p.client = side == "c"
		all = append(all, p)
	}
	return all
}

// read is what a decoder makes of pieces.
func read(t testing.TB, pieces []piece) (done []gate.FileOperation, err error) {
	t.Helper()
	d := New(func(op gate.FileOperation) error { done = append(done, op); return nil }, Everything)
	for _, p := range pieces {
		to := d.Answers()
		if p.client {
			to = d.Requests()
		}
		if _, err = to.Write(p.bytes); err != nil {
			break
		}
	}
	if failed := d.Close(); failed != nil {
		t.Error(failed)
	}
	return done, err
}

// lines are operations, without their times.
func lines(done []gate.FileOperation) (all []string) {
	for _, op := range done {
		all = append(all, fmt.Sprintf("%s %s %s %s %d %.8s %v %s", op.Did, op.Path, op.To, op.Change, op.Size, op.SHA256, op.Partial, op.Outcome))
	}
	return all
}

// What real clients did is told, however their bytes are cut. The sums are sha256sum's, of the files that they had.
func TestRealClients(t *testing.T) {
	const big, small = "30000 6df8d87d false ok", "6 5891b5b5 false ok"
	for client, want := range map[string][]string{
		"openssh": {
			"write /tmp/files/there   " + big,
			"read /tmp/files/there   " + big,
			"write /tmp/files/na me   " + small,
			"rename /tmp/files/there /tmp/files/moved  0  false ok",
			"setstat /tmp/files/moved  mode 0600 0  false ok",
			"mkdir /tmp/files/dir   0  false ok",
			"list /tmp/files/dir/   0  false ok",
			"rmdir /tmp/files/dir   0  false ok",
			"link /tmp/files/moved /tmp/files/hard  0  false ok",
			"symlink moved /tmp/files/soft  0  false ok",
			"copy /tmp/files/moved /tmp/files/copied  0  false ok",
			"read /tmp/files/moved   0  false ok",
			"write /tmp/files/copied   0  true ok",
			"remove /tmp/files/missing   0  false no such file",
			"remove /tmp/files/hard   0  false ok",
			"remove /tmp/files/soft   0  false ok",
			"remove /tmp/files/copied   0  false ok",
			"remove /tmp/files/moved   0  false ok",
			"remove /tmp/files/na me   0  false ok",
		},
		"lftp": {
			"setstat /tmp/files/there  size 30000, times 0  false ok",
			"write /tmp/files/there   " + big,
			"read /tmp/files/there   " + big,
			"rename /tmp/files/there /tmp/files/moved  0  false ok",
			"remove /tmp/files/moved   0  false ok",
			"mkdir /tmp/files/d   0  false ok",
			"rmdir /tmp/files/d   0  false ok",
		},
		"sshfs": {
			"write /tmp/files/there   " + big,
			"read /tmp/files/there   " + big,
			"write /tmp/files/there   5  true ok", // behind what was there
			"rename /tmp/files/there /tmp/files/moved  0  false ok",
			"setstat /tmp/files/moved  size 10 0  false ok",
			"write /tmp/files/moved   0  true ok",
			"list /tmp/files   0  false ok",
			"remove /tmp/files/moved   0  false ok",
		},
	} {
		t.Run(client, func(t *testing.T) {
			pieces := recorded(t, client)
			done, err := read(t, pieces)
			if got := lines(done); err != nil || !slices.Equal(got, want) {
				t.Fatalf("%v:\n%s", err, strings.Join(got, "\n"))
			}
			for seed := range int64(20) {
				done, err := read(t, cut(pieces, rand.New(rand.NewSource(seed))))
				if got := lines(done); err != nil || !slices.Equal(got, want) {
					t.Fatalf("cut by %d: %v:\n%s", seed, err, strings.Join(got, "\n"))
				}
			}
		})
	}
}

// cut cuts pieces anywhere; into single bytes often.
func cut(pieces []piece, r *rand.Rand) (all []piece) {
	most := 1 + r.Intn(3000)
	for _, p := range pieces {
		for rest := p.bytes; len(rest) > 0; {
			n := min(1+r.Intn(most), len(rest))
			all = append(all, piece{p.client, rest[:n]})
			rest = rest[n:]
		}
	}
	return all
}

// Of what is longer than a sum is wanted of there is none, wherever its pieces lie; of the rest there is.
func TestSumsAreOfSoMuch(t *testing.T) {
	t.Parallel()
	const sum = "9834876d" // of three a's
	for _, test := range []struct {
		offsets []uint64 // of pieces of one byte
		want    string
	}{
		{[]uint64{0, 1, 2}, sum},
		{[]uint64{0, 2, 1}, sum},
		{[]uint64{0, 1, 2, 3}, ""},
		{[]uint64{3, 2, 1, 0}, ""},
		{[]uint64{0, 1, math.MaxUint64}, ""},
	} {
		c, room := contents{most: 3}, maxRoom
		for _, at := range test.offsets {
			c.take(at, []byte("a"), &room)
		}
		if got := c.finish(&room); got[:min(len(got), 8)] != test.want || c.size != uint64(len(test.offsets)) || room != maxRoom {
			t.Errorf("%v: %q of %d bytes, room %d of %d", test.offsets, got, c.size, room, maxRoom)
		}
	}
}
