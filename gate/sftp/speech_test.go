package sftp

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"testing"

	"forkgate/gate"
)

// packet writes one: its type, and fields as the draft has them.
func packet(kind byte, fields ...any) []byte {
	p := []byte{0, 0, 0, 0, kind}
	for _, f := range fields {
		switch f := f.(type) {
		case int:
			p = binary.BigEndian.AppendUint32(p, uint32(f))
		case uint64:
			p = binary.BigEndian.AppendUint64(p, f)
		case string:
			p = binary.BigEndian.AppendUint32(p, uint32(len(f)))
			p = append(p, f...)
		}
	}
	binary.BigEndian.PutUint32(p, uint32(len(p)-4))
	return p
}

func client(kind byte, fields ...any) piece { return piece{true, packet(kind, fields...)} }
func server(kind byte, fields ...any) piece { return piece{false, packet(kind, fields...)} }
func status(id, code int) piece             { return server(typeStatus, id, code, "", "") }

// hello is how all sessions begin.
func hello() []piece {
	return []piece{client(typeInit, 3), server(typeVersion, 3, "posix-rename@openssh.com", "1")}
}

// opened is a file f that is open under the handle h.
func opened(flags int) []piece {
	return append(hello(), client(typeOpen, 1, "f", flags, 0), server(typeHandle, 1, "h"))
}

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

// Reads and writes that are under way at once may come in any order, of any length: the sum is the file's.
func TestPiecesInAnyOrder(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	for range 200 {
		data := make([]byte, r.Intn(20000))
		r.Read(data)
		var ends []int
		for at := 0; at < len(data); {
			at = min(len(data), at+1+r.Intn(4000))
			ends = append(ends, at)
		}
		asks, answers, at := []piece{}, []piece{}, 0
		writes := r.Intn(2) == 0
		for i, end := range ends {
			if writes {
				asks, answers = append(asks, client(typeWrite, 10+i, "h", uint64(at), string(data[at:end]))), append(answers, status(10+i, 0))
			} else {
				asks, answers = append(asks, client(typeRead, 10+i, "h", uint64(at), 4000)), append(answers, server(typeData, 10+i, string(data[at:end])))
			}
			at = end
		}
		r.Shuffle(len(asks), func(i, j int) { asks[i], asks[j] = asks[j], asks[i] })
		r.Shuffle(len(answers), func(i, j int) { answers[i], answers[j] = answers[j], answers[i] })
		did, flags := gate.FileRead, 1
		if writes {
			did, flags = gate.FileWrite, openWrite|openCreate|openTrunc
		}
		whole := slices.Concat(opened(flags), asks, answers, []piece{client(typeClose, 2, "h"), status(2, 0)})
		done, err := read(t, cut(whole, r))
		want := sum(data)
		if !writes && len(data) == 0 {
			want = ""
		}
		if err != nil || len(done) != 1 || done[0].Did != did || done[0].Size != uint64(len(data)) || done[0].SHA256 != want || done[0].Partial {
			t.Fatalf("%d bytes in %d pieces: %+v, %v", len(data), len(ends), done, err)
		}
	}
}

// Where what went over is not the file's beginning, once and whole, there is no sum.
func TestWhatHasNoSum(t *testing.T) {
	write := func(id int, at uint64, text string) piece { return client(typeWrite, id, "h", at, text) }
	far := strings.Repeat("x", 200<<10)
	var beyond []piece
	for i := range 30 {
		beyond = append(beyond, write(10+i, uint64(1+i*len(far)), far), status(10+i, 0))
	}
	for name, test := range map[string]struct {
		flags  int
		pieces []piece
		size   int
		says   string
	}{
		"not from the beginning": {openWrite, []piece{write(5, 3, "abc"), status(5, 0)}, 3, gate.FileOK},
		"a gap":                  {openWrite, []piece{write(5, 0, "abc"), status(5, 0), write(6, 4, "abc"), status(6, 0)}, 6, gate.FileOK},
		"the same twice":         {openWrite, []piece{write(5, 0, "abc"), status(5, 0), write(6, 0, "abc"), status(6, 0)}, 6, gate.FileOK},
		"the same twice, later":  {openWrite, []piece{write(5, 3, "a"), write(6, 3, "b"), write(7, 0, "abc"), status(5, 0), status(6, 0), status(7, 0)}, 5, gate.FileOK},
		"at the end":             {openWrite | openAppend, []piece{write(5, 0, "abc"), status(5, 0)}, 3, gate.FileOK},
		"a write that failed":    {openWrite, []piece{write(5, 0, "abc"), status(5, 4)}, 3, "failure"},
		"cut by fsetstat":        {openWrite, []piece{write(5, 0, "abc"), status(5, 0), client(typeFsetstat, 6, "h", attrSize, uint64(1))}, 3, gate.FileOK},
		"too much ahead":         {openWrite, beyond, 30 * len(far), gate.FileOK},
	} {
		pieces := append(opened(test.flags), test.pieces...)
		if name == "cut by fsetstat" {
			pieces = append(pieces, status(6, 0))
		}
		done, err := read(t, append(pieces, client(typeClose, 2, "h"), status(2, 0)))
		if err != nil || len(done) == 0 {
			t.Errorf("%s: %v, %v", name, done, err)
			continue
		}
		if op := done[len(done)-1]; op.SHA256 != "" || !op.Partial || op.Size != uint64(test.size) || op.Outcome != test.says {
			t.Errorf("%s: %+v", name, op)
		}
	}
}

// What the session's end leaves unfinished is told of, as that.
func TestTheEndTellsTheRest(t *testing.T) {
	done, err := read(t, append(opened(openWrite),
		client(typeWrite, 5, "h", uint64(0), "abc"), client(typeRemove, 6, "gone"), client(typeOpen, 7, "late", 1, 0), client(typeStat, 8, "asked")))
	want := []string{
		"write f   3  true not closed", "remove gone   0  false unanswered", "read late   0  false unanswered",
	}
	if got := lines(done); err != nil || !slices.Equal(got, want) {
		t.Errorf("%v: %q", err, got)
	}
}

// nonsense is what is no SFTP, or is asked for without right.
func nonsense() map[string][]piece {
	return map[string][]piece{
		"a shell that greets":     {client(typeInit, 3), {false, []byte("Welcome to this host\n")}},
		"a server that is first":  {server(typeVersion, 3)},
		"another version":         {client(typeInit, 6), server(typeVersion, 6)},
		"no version":              {client(typeStat, 1, "f")},
		"two versions":            append(hello(), client(typeInit, 3)),
		"a length of nothing":     append(hello(), piece{true, []byte{0, 0, 0, 0}}),
		"a length of too much":    append(hello(), piece{true, []byte{0, 4, 0, 1}}),
		"a type of none":          append(hello(), client(99, 1)),
		"a cut request":           append(hello(), piece{true, []byte{0, 0, 0, 9, typeRemove, 0, 0, 0, 1, 0, 0, 0, 5}}),
		"no number":               append(hello(), piece{true, []byte{0, 0, 0, 2, typeRemove, 0}}),
		"a number twice":          append(hello(), client(typeStat, 1, "f"), client(typeStat, 1, "f")),
		"an answer to nothing":    append(hello(), status(1, 0)),
		"an answer of elsewhere":  append(hello(), client(typeStat, 1, "f"), server(typeHandle, 1, "h")),
		"a cut answer":            append(hello(), client(typeOpen, 1, "f", 1, 0), piece{false, []byte{0, 0, 0, 9, typeHandle, 0, 0, 0, 1, 0, 0, 0, 5}}),
		"opened without a handle": append(hello(), client(typeOpen, 1, "f", 1, 0), status(1, 0)),
		"an empty handle":         append(hello(), client(typeOpen, 1, "f", 1, 0), server(typeHandle, 1, "")),
		"a handle twice":          append(opened(1), client(typeOpen, 2, "g", 1, 0), server(typeHandle, 2, "h")),
		"a handle that is none":   append(opened(1), client(typeRead, 2, "i", uint64(0), 10)),
		"a handle that is guessed": append(hello(), client(typeOpen, 1, "f", openWrite, 0), client(typeWrite, 2, "h", uint64(0), "x"), server(typeHandle, 1, "h"),
			status(2, 0)),
		"a handle that is closed":  append(opened(openWrite), client(typeClose, 2, "h"), client(typeWrite, 3, "h", uint64(0), "x")),
		"closed, and not all said": append(opened(1), client(typeRead, 2, "h", uint64(0), 10), client(typeClose, 3, "h"), status(3, 0)),
		"more than was asked for":  append(opened(1), client(typeRead, 2, "h", uint64(0), 2), server(typeData, 2, "abc")),
		"a copy of nothing":        append(opened(1), client(typeExtended, 2, "copy-data", "h", uint64(0), uint64(0), "i", uint64(0))),
	}
}

// What is no SFTP, or what is asked for without right, is an error, for good and in both directions; what was seen before is told of.
func TestWhatIsNoSFTP(t *testing.T) {
	for name, pieces := range nonsense() {
		calls := 0
		d := New(func(gate.FileOperation) error { calls++; return nil }, Everything)
		var err error
		for _, p := range pieces {
			to := d.Answers()
			if p.client {
				to = d.Requests()
			}
			if _, err = to.Write(p.bytes); err != nil {
				break
			}
		}
		if !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
		before := calls
		for _, p := range []piece{client(typeRemove, 77, "f"), status(77, 0)} {
			if _, again := d.Requests().Write(p.bytes); !errors.Is(again, err) {
				t.Errorf("%s: and then %v", name, again)
			}
			if _, again := d.Answers().Write(p.bytes); !errors.Is(again, err) {
				t.Errorf("%s: and then %v", name, again)
			}
		}
		if _ = d.Close(); calls != before {
			t.Errorf("%s: more was told of afterwards", name)
		}
		if len(d.open)+len(d.asked) > 0 {
			t.Errorf("%s: it holds on to something", name)
		}
	}
}

// A session takes no more memory than it may, however many files are opened and things asked for at once.
func TestBounds(t *testing.T) {
	open := func(i int) []piece {
		return []piece{client(typeOpen, i, "f", 1, 0), server(typeHandle, i, fmt.Sprint("h", i))}
	}
	ask := func(i int) []piece { return []piece{client(typeStat, i, "f")} }
	paths := func(i int) []piece { return []piece{client(typeRemove, i, strings.Repeat("p", 100000))} }
	for name, test := range map[string]struct {
		next func(i int) []piece
		many int // that go well
	}{
		"handles": {open, maxOpen}, "requests": {ask, maxAsked}, "paths": {paths, maxRoom / gate.MaxFilePath},
	} {
		d := New(func(gate.FileOperation) error { return nil }, Everything)
		pieces := hello()
		failed := 0
		for i := 1; failed == 0 && i < 2_000_000; i++ {
			for _, p := range append(pieces, test.next(i)...) {
				to := d.Answers()
				if p.client {
					to = d.Requests()
				}
				if _, err := to.Write(p.bytes); err != nil {
					if !errors.Is(err, ErrBounds) {
						t.Fatalf("%s: %v", name, err)
					}
					failed = i
					break
				}
			}
			pieces = nil
		}
		if failed != test.many+1 {
			t.Errorf("%s: number %d was too many, not %d", name, failed, test.many+1)
		}
	}
}

// What was kept is given back: a long session gets no narrower.
func TestRoomComesBack(t *testing.T) {
	d := New(func(gate.FileOperation) error { return nil }, Everything)
	say := func(pieces ...piece) {
		t.Helper()
		for _, p := range pieces {
			to := d.Answers()
			if p.client {
				to = d.Requests()
			}
			if _, err := to.Write(p.bytes); err != nil {
				t.Fatal(err)
			}
		}
	}
	say(hello()...)
	for range 3000 {
		say(client(typeOpen, 1, strings.Repeat("p", 4000), openWrite, 0), server(typeHandle, 1, "h"))
		say(client(typeWrite, 2, "h", uint64(9), "later"), status(2, 0), client(typeClose, 1, "h"), status(1, 0))
		say(client(typeOpen, 1, "f", 1, 0), status(1, 3), client(typeRename, 1, "f", "g"), status(1, 0), client(typeOpendir, 1, "d"), status(1, 2))
		say(client(typeExtended, 1, "new@example.com", "f"), server(typeExtendedReply, 1))
	}
	if d.room != maxRoom {
		t.Errorf("%d bytes are lost", maxRoom-d.room)
	}
}

// An operation that cannot be told of stops both directions before the client has the answer.
func TestWhatCannotBeTold(t *testing.T) {
	full := errors.New("full")
	d := New(func(gate.FileOperation) error { return full }, Everything)
	for _, p := range append(hello(), client(typeMkdir, 1, "d")) {
		to := d.Answers()
		if p.client {
			to = d.Requests()
		}
		if _, err := to.Write(p.bytes); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.Answers().Write(status(1, 0).bytes); !errors.Is(err, full) {
		t.Errorf("%v", err)
	}
	if _, err := d.Requests().Write(client(typeMkdir, 2, "d").bytes); !errors.Is(err, full) {
		t.Errorf("and then %v", err)
	}
}

// Who asks when the answers are over may be heard, and is not told of.
func TestOver(t *testing.T) {
	d := New(func(gate.FileOperation) error { return nil }, Everything)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Requests().Write(client(typeInit, 3).bytes); !errors.Is(err, ErrOver) {
		t.Errorf("%v", err)
	}
}
