package door_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"forkgate/gate"
	"forkgate/gate/door"
	"forkgate/gate/door/doortest"
	"forkgate/gate/tape"
	"forkgate/tests/need"
)

// recordedAs opens a door whose sessions are recorded: as word says, in a file whose name is returned.
func recordedAs(t *testing.T, word string, limit int64) (p *place, cast string) {
	cast = filepath.Join(t.TempDir(), "cast")
	p = open(t, func(w *doortest.Warden, _ *door.Config) {
		w.Record, w.Tape, w.Terms = word, cast, tape.Terms{Limit: limit}
	})
	return p, cast
}

// onTape reads what was done to files off a tape that the fake warden gives no head.
func onTape(t *testing.T, cast string) (done []tape.File, text string) {
	t.Helper()
	raw, err := os.ReadFile(cast)
	if err != nil {
		t.Fatal(err)
	}
	r, err := tape.NewReader(strings.NewReader(`{"version":2}` + "\n" + string(raw)))
	if err != nil {
		t.Fatal(err)
	}
	for {
		e, err := r.Next()
		if errors.Is(err, io.EOF) {
			return done, string(raw)
		}
		if err != nil || e.Code != tape.Files {
			t.Fatalf("%+v, %v", e, err)
		}
		f, err := e.File()
		if err != nil {
			t.Fatal(err)
		}
		done = append(done, f)
	}
}

// told is what the warden was told of all sessions.
func toldTo(w *doortest.Warden) (done []gate.FileOperation, blind []string) {
	for _, q := range w.Seen().Files {
		done = append(done, q.Operations...)
		if q.Blind != "" {
			blind = append(blind, q.Blind)
		}
	}
	return done, blind
}

// What scp and sftp do is on the tape and in the warden's ears when they end: what, where, how much, and the sum; the contents are not.
func TestFilesAreFollowed(t *testing.T) {
	need.Tools(t, "scp", "sftp", doortest.SFTPServer)
	p, cast := recordedAs(t, "required", 1<<20)
	data := make([]byte, 3<<20)
	rand.Read(data)
	copy(data, "CONTENTS")
	here, there := filepath.Join(p.dir, "here"), filepath.Join(t.TempDir(), "th\x07ere")
	write(t, here, string(data))
	batch := "put " + here + " \"" + there + "\"\nget \"" + there + "\" " + here + ".back\nrename \"" + there + "\" \"" + there + ".2\"\nrm \"" + there + ".2\"\n"
	if got := run(t, p.ssh("sftp", "-b", "-", "demo@host"), batch); got.Code != 0 {
		t.Fatalf("%+v", got)
	}
	back, _ := os.ReadFile(here + ".back")
	if !bytes.Equal(back, data) {
		t.Error("other bytes came back")
	}
	sum := sha256.Sum256(data)
	hexed := hex.EncodeToString(sum[:])
	on, text := onTape(t, cast)
	done, blind := toldTo(p.warden)
	if len(on) != 4 || len(done) != 4 || len(blind) > 0 {
		t.Fatalf("on the tape %+v, told %+v, %q", on, done, blind)
	}
	for i, did := range []string{"write", "read", "rename", "remove"} {
		path := there
		if did == "remove" {
			path += ".2"
		}
		moved := i < 2
		if f := on[i]; f.Did != did || f.Path != gate.Exact(path) || f.Outcome != "ok" || moved != (f.SHA256 == hexed) || moved != (f.Size == 3<<20) {
			t.Errorf("on the tape: %+v", f)
		}
		if f := done[i]; f.Did != did || string(f.Path) != path || f.Outcome != "ok" || moved != (f.SHA256 == hexed) {
			t.Errorf("told: %+v", f)
		}
	}
	if strings.Contains(text, "CONTENTS") || strings.Contains(text, "\x07") {
		t.Error("contents are on the tape, or what is no text")
	}
	if got := run(t, p.ssh("scp", here, "demo@host:"+there), ""); got.Code != 0 {
		t.Errorf("%+v", got)
	}
	if on, _ := onTape(t, cast); !slices.ContainsFunc(on[4:], func(f tape.File) bool { return f.Did == "write" && f.SHA256 == hexed }) {
		t.Errorf("scp: %+v", on[4:])
	}
}

// Who is gone before the answer has done it all the same, perhaps: that is told.
func TestWhoHangsUpIsToldOf(t *testing.T) {
	need.Tools(t, doortest.SFTPServer)
	p := open(t)
	c := p.dial("demo")
	f := speakSFTP(t, c)
	if _, err := f.ask(3, uint32(1), filepath.Join(t.TempDir(), "left open"), uint32(0x2|0x8), uint32(0)); err != nil {
		t.Fatal(err)
	}
	c.Close()
	need.Eventually(t, "the warden is told", func() bool {
		done, _ := toldTo(p.warden)
		return len(done) == 1 && done[0].Did == "write" && done[0].Outcome == gate.FileUnclosed
	})
}

// What is done while the warden is away is told when it is back.
func TestFilesWaitForTheWarden(t *testing.T) {
	need.Tools(t, doortest.SFTPServer)
	p := open(t)
	f, dir := speakSFTP(t, p.dial("demo")), t.TempDir()
	p.warden.Stop()
	for i := range 2000 {
		if _, err := f.ask(14, uint32(i), filepath.Join(dir, strconv.Itoa(i)), uint32(0)); err != nil {
			t.Fatal(err)
		}
	}
	p.warden.Start()
	need.Eventually(t, "the warden is told of all", func() bool {
		all, more := 0, 0
		for _, q := range p.warden.Seen().Files {
			all, more = all+len(q.Operations), more+q.More
		}
		return all+more == 2000 && all >= gate.FileLines+1 && all <= 1024+1 // of the others there is their number alone
	})
}
