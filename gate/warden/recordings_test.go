package warden

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/age"
	"golang.org/x/sys/unix"

	"forkgate/gate"
	"forkgate/gate/archive"
	"forkgate/gate/tape"
	"forkgate/gate/warden/client"
)

// recorded is a host whose policy has production recorded as word says. before is done before it serves anybody.
func recorded(t *testing.T, word string, before ...func(*host)) *host {
	t.Helper()
	h := newHost(t)
	h.text += "permit \"recorded\" {\n  when   = target.grand && contains([\"shell\", \"exec\", \"sftp\"], op)\n  record = \"" + word + "\"\n}\n"
	if err := h.rules.reload(); err != nil {
		t.Fatal(err)
	}
	for _, do := range before {
		do(h)
	}
	h.start(t)
	return h
}

// fill has recordings take so many bytes, of nobody: a file without a beginning.
func fill(h *host, bytes int64) {
	path := filepath.Join(h.Warden.pods.recordings.dir, "full"+archive.Extension)
	_ = os.WriteFile(path, nil, 0o600)
	_ = os.Truncate(path, bytes)
	_ = h.Warden.pods.recordings.count()
}

// A session that is recorded has a file that its door can only append to, whose head is the warden's; no other session has any.
func TestASessionIsRecorded(t *testing.T) {
	h := recorded(t, "required")
	s, err := h.connect(t, "demo", h.alice).Open(t.Context(), client.OpenRequest{Op: "exec", Command: []byte("make\x1b[31m")})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if s.Tape == nil || !s.Tape.Required || s.Tape.Terms.Limit != 256<<20 {
		t.Fatalf("its tape is %+v", s.Tape)
	}
	if flags, err := unix.FcntlInt(s.Tape.File.Fd(), unix.F_GETFL, 0); err != nil || flags&unix.O_APPEND == 0 || flags&unix.O_ACCMODE != unix.O_WRONLY {
		t.Errorf("the descriptor has the flags %x, %v", flags, err)
	}
	w, err := tape.NewWriter(s.Tape.File, s.Tape.Terms)
	if err == nil {
		err = w.Write(tape.Output, []byte("made"))
	}
	if err != nil {
		t.Fatal(err)
	}
	files, _ := filepath.Glob(filepath.Join(h.Warden.pods.recordings.dir, "*", s.ID+".cast"))
	if len(files) != 1 {
		t.Fatalf("there are %v", files)
	}
	f, err := os.Open(files[0])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if info, _ := f.Stat(); info.Mode().Perm() != 0o600 {
		t.Errorf("its mode is %v", info.Mode())
	}
	r, err := tape.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	want := tape.About{
		Session: s.ID, Principal: "alice", Kind: "human", Op: "exec", Ref: "demo", GUID: "00000000-0000-4000-8000-000000000000", Record: "required",
	}
	want.Begun = r.Header.Forkgate.Begun
	if want.Begun.IsZero() || !reflect.DeepEqual(r.Header.Forkgate, want) || r.Header.Width != 80 || strings.Contains(r.Header.Command, "\x1b") {
		t.Errorf("its head is %+v", r.Header)
	}
	if e, err := r.Next(); err != nil || e.Data != "made" {
		t.Errorf("behind it is %+v, %v", e, err)
	}
	if _, err := r.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("and then %v", err)
	}
	fork, err := h.connect(t, "demo+x", h.bob).Open(t.Context(), client.OpenRequest{Op: "shell"})
	if err != nil {
		t.Fatal(err)
	}
	defer fork.Close()
	if fork.Tape != nil {
		t.Error("somebody is recorded of whom no rule says so")
	}
}

func TestAHeadHasTheTerminal(t *testing.T) {
	h := headerOf(live{}, gate.Work{Terminal: &gate.Terminal{Term: "xterm\x07", Size: gate.WindowSize{Columns: 100, Rows: 30}}})
	if h.Width != 100 || h.Height != 30 || h.Env["TERM"] != gate.Exact("xterm\x07") {
		t.Errorf("%+v", h)
	}
}

// lines is a journal that is written and read at the same time.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// What has to be recorded and cannot be does not run; what need not be goes on without.
func TestRecordingsThatCannotBe(t *testing.T) {
	for _, test := range []struct {
		name  string
		spoil func(*host)
		why   string
	}{
		{"no room", func(h *host) { fill(h, 10<<30) }, "have taken all the room that they may"},
		{"no place", func(h *host) {
			os.RemoveAll(h.Warden.pods.recordings.dir)
			os.WriteFile(h.Warden.pods.recordings.dir, nil, 0o600)
		}, "the file cannot be made"},
	} {
		t.Run(test.name, func(t *testing.T) {
			journal := &lines{}
			h := recorded(t, "required", test.spoil, func(h *host) { h.Warden.pods.journal = slog.New(slog.NewTextHandler(journal, nil)) })
			if _, err := h.connect(t, "demo", h.alice).Open(t.Context(), client.OpenRequest{Op: "shell"}); !refusedWith(err, test.why) {
				t.Errorf("required: %v", err)
			}
			if said := journal.String(); !strings.Contains(said, "a session is not recorded") || !strings.Contains(said, h.Warden.pods.recordings.dir) {
				t.Errorf("the journal, to which the hint leads, says %q", said)
			}
			if ran := h.pods.ran(); len(ran) > 0 || len(h.book().list()) > 0 {
				t.Errorf("it ran: %v", ran)
			}
			// And the record, where policy had permitted it, does not leave it at that.
			if all := h.log.all(); !strings.HasPrefix(all[len(all)-1], "refused ") || !strings.Contains(all[len(all)-1], test.why) {
				t.Errorf("the record ends with %q", all)
			}
			h = recorded(t, "best-effort", test.spoil)
			s, err := h.connect(t, "demo", h.alice).Open(t.Context(), client.OpenRequest{Op: "shell"})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if s.Tape != nil {
				t.Error("it is recorded")
			}
			if all := h.log.all(); !strings.HasPrefix(all[len(all)-1], "untaped alice on demo: it cannot be recorded: ") || !strings.HasSuffix(all[len(all)-1], test.why) {
				t.Errorf("the record ends with %q", all)
			}
		})
	}
}

// A recording that fails in the middle is in the record, once, with why; one that has to be there ends the session in the same words. What a door says of
// sessions that there are none of is nothing.
func TestARecordingThatFailsLater(t *testing.T) {
	h := recorded(t, "required")
	c := h.connect(t, "demo", h.alice)
	s, err := c.Open(t.Context(), client.OpenRequest{Op: "shell"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, q := range []client.UntapedRequest{
		{Session: "nobody", Why: "x", Ends: true}, {Session: s.ID, Why: "it is full", Ends: true}, {Session: s.ID, Why: "it is fuller"},
	} {
		if err := c.Untaped(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.connect(t, "demo", h.alice).Untaped(t.Context(), client.UntapedRequest{Session: s.ID, Why: strings.Repeat("x", 300)}); err == nil {
		t.Error("a door writes what it likes")
	}
	h.pods.die(s.ID)
	h.book().look(h.pods.lives)
	all := strings.Join(h.log.all(), "\n")
	for _, line := range []string{"untaped alice on demo: the recording failed: it is full", "ended alice on demo: false 0  the recording failed: it is full"} {
		if strings.Count(all, line) != 1 || strings.Contains(all, "fuller") {
			t.Errorf("the record lacks %q, or has more: %s", line, all)
		}
	}
}

// Who comes through the host's own sshd is not recorded: where policy says that it has to be, they are refused.
func TestWhatIsNotRecordedIsRefused(t *testing.T) {
	permit := gate.Decision{Verdict: gate.Permit, Rule: "r"}
	for _, test := range []struct {
		role   role
		op     gate.Op
		record gate.Recording
		want   gate.Recording
		refuse string
	}{
		{door, gate.OpShell, gate.Required, gate.Required, ""},
		{door, gate.OpSFTP, gate.Required, gate.Required, ""},
		{door, gate.OpSFTP, gate.BestEffort, gate.BestEffort, ""},
		{door, gate.OpSFTP, gate.Unrecorded, gate.Unrecorded, ""},
		{account, gate.OpSFTP, gate.Required, gate.Unrecorded, "nothing is recorded that comes through sshd"},
		{account, gate.OpExec, gate.Required, gate.Unrecorded, "nothing is recorded that comes through sshd"},
		{account, gate.OpExec, gate.BestEffort, gate.Unrecorded, ""},
		{account, gate.OpExec, gate.Unrecorded, gate.Unrecorded, ""},
	} {
		d := permit
		d.Record = test.record
		got := bounded{nil, test.role.standing()}.recorded(d)
		if refused := got.Verdict != gate.Permit; refused != (test.refuse != "") || !strings.Contains(got.Reason, test.refuse) || !refused && got.Record != test.want {
			t.Errorf("%s %s %s: %+v", test.role, test.op, test.record, got)
		}
	}
}

// What recordings have taken is counted over, of those that are over and of those that run, by this warden and the next.
func TestRecordingsAreCounted(t *testing.T) {
	h := recorded(t, "required")
	s, err := h.connect(t, "demo", h.alice).Open(t.Context(), client.OpenRequest{Op: "shell"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	r := h.Warden.pods.recordings
	before := r.taken()
	if _, err := s.Tape.File.Write(make([]byte, 1000)); err != nil || before == 0 || r.taken() != before+1000 {
		t.Errorf("%d and then %d, %v", before, r.taken(), err)
	}
	h.pods.die(s.ID)
	h.book().look(h.pods.lives)
	if r.taken() != before+1000 || len(r.live) > 0 {
		t.Errorf("after it: %d, %v", r.taken(), r.live)
	}
	next, err := openRecordings(r.dir, h.rules)
	if err != nil || next.taken() != before+1000 {
		t.Errorf("the next warden: %d, %v", next.taken(), err)
	}
}

// One principal's recordings leave room for those of others, and what the operator takes away makes room.
func TestRoomForOthers(t *testing.T) {
	h := recorded(t, "required", func(h *host) {
		h.more(t, "recordings {\n  quota     = \"4MiB\"\n  principal = \"2MiB\"\n}\n")
	})
	r := h.Warden.pods.recordings
	begin := func(session, principal string) (string, error) {
		l := live{ID: session, Since: time.Now()}
		l.Asked.Caller.Principal = principal
		file, terms, err := r.begin(l, gate.Work{Record: gate.Required})
		if err != nil {
			return "", err
		}
		defer file.Close()
		if terms.Limit > 2<<20 {
			t.Errorf("%s may take %d bytes", session, terms.Limit)
		}
		return file.Name(), nil
	}
	first, err := begin("first", "alice")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(first, 2<<20); err != nil {
		t.Fatal(err)
	}
	const full = "your recordings have taken all the room that yours may"
	if _, err := begin("second", "alice"); !refusedWith(err, full) || !strings.Contains(err.Error(), r.dir) {
		t.Errorf("alice goes on: %v", err)
	}
	if _, err := begin("third", "bob"); err != nil {
		t.Errorf("and bob does not: %v", err)
	}
	r.over("first")
	if _, err := begin("fourth", "alice"); !refusedWith(err, full) {
		t.Errorf("when that session is over: %v", err)
	}
	if err := os.Remove(first); err != nil {
		t.Fatal(err)
	}
	if _, err := begin("fifth", "alice"); err != nil {
		t.Errorf("when its recording is elsewhere: %v", err)
	}
}

// Of a session that does not come to be there is no recording.
func TestNothingToRecord(t *testing.T) {
	h := recorded(t, "required", func(h *host) { h.pods.gone = 100 })
	if _, err := h.connect(t, "demo", h.alice).Open(t.Context(), client.OpenRequest{Op: "shell"}); err == nil {
		t.Fatal("it runs")
	}
	if left, _ := filepath.Glob(filepath.Join(h.Warden.pods.recordings.dir, "*", "*")); len(left) > 0 || h.Warden.pods.recordings.taken() != 0 {
		t.Errorf("left: %v", left)
	}
}

// What a policy says of keys and of what is not shown goes with the descriptor, and into the head of the file.
func TestARecordingIsSealed(t *testing.T) {
	key, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	h := recorded(t, "required", func(h *host) {
		h.more(t, fmt.Sprintf("recordings {\n  recipients = [%q]\n}\nredact \"key\" {\n  pattern = \"sk_[a-z]+\"\n}\n", key.Recipient()))
	})
	s, err := h.connect(t, "demo", h.alice).Open(t.Context(), client.OpenRequest{Op: "exec", Command: []byte("pay sk_live")})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	w, err := tape.NewWriter(s.Tape.File, s.Tape.Terms)
	if err == nil {
		err = errors.Join(w.Write(tape.Output, []byte("paid by sk_")), w.Write(tape.Output, []byte("live\n")))
	}
	if err != nil {
		t.Fatal(err)
	}
	files, _ := filepath.Glob(filepath.Join(h.Warden.pods.recordings.dir, "*", s.ID+".cast"))
	text, err := os.ReadFile(files[0])
	if err != nil || bytes.Contains(text, []byte("pay")) || bytes.Contains(text, []byte("paid")) || !bytes.Contains(text, []byte(`"principal":"alice"`)) {
		t.Errorf("the file is %v, %q", err, text)
	}
	r, err := tape.NewReader(bytes.NewReader(text), key)
	if err != nil || r.Header.Command != "pay [redacted:key]" {
		t.Fatalf("%v, %+v", err, r)
	}
	if e, err := r.Next(); err != nil || e.Data != "paid by [redacted:key]\n" {
		t.Errorf("%v, %+v", err, e)
	}
}
