package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"forkgate/gate"
)

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

func open(t *testing.T) (*Log, string) {
	t.Helper()
	o := options(t)
	l := reopen(t, o)
	t.Cleanup(func() { l.Close() })
	return l, filepath.Join(o.Dir, current)
}

func options(t testing.TB) Options {
	dir := t.TempDir()
	return Options{Dir: filepath.Join(dir, "audit"), Key: filepath.Join(dir, "key"), Copy: filepath.Join(dir, "anchor")}
}

func reopen(t testing.TB, o Options) *Log {
	t.Helper()
	l, err := Open(o, quiet())
	if err != nil {
		t.Fatal(err)
	}
	return l
}

var request = gate.Request{
	Caller: gate.Caller{Principal: "alice", Class: gate.ClassHint, Agent: "claude", Key: "SHA256:x"},
	Op:     gate.OpExec, Target: gate.Target{GUID: "7f", Repo: "demo", Tag: "x", Fork: true},
	Source: netip.MustParseAddr("192.0.2.7"), Door: "ssh", Command: "echo hi",
}

func TestALineTellsWhoWhatWhereAndWhy(t *testing.T) {
	l, path := open(t)
	l.now = func() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.FixedZone("", 3600)) }
	decision := gate.Decision{Verdict: gate.Permit, Rule: "work", Where: "a.hcl:3"}
	if err := l.Decision("s1", request, decision); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"v":2,"seq":1,"prev":"","time":"2026-11-23T11:00:00Z","event":"decision","session":"s1","principal":"alice","kind":"agent",` +
		`"class":1,"agent":"claude","key":"SHA256:x","door":"ssh","source":"192.0.2.7","op":"exec","ref":"demo:x",` +
		`"guid":"7f","command":"\"echo hi\"","verdict":"permit","rule":"work","where":"a.hcl:3"}` + "\n"
	if string(got) != want {
		t.Errorf("got  %swant %s", got, want)
	}
}

// What an attestor said, and what its word was worth, is in the line; so is why a certificate was refused, and that it cannot forge one.
func TestALineTellsWhatWasAttested(t *testing.T) {
	l, path := open(t)
	l.now = func() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }
	r := gate.Request{Caller: gate.Caller{
		Principal: "alice", Class: gate.ClassAttested, Attestor: "laptop", Attested: "agent", Chain: []string{"ssh, process 7 of uid 1000"},
		Override: gate.Override{Repos: []string{"demo", "shop"}}, Evidence: []string{"what it hears"}, Marks: []string{"and what it does not"},
	}, Target: gate.Target{Repo: "demo", Grand: true}}
	err := l.Decision("s1", r, gate.Decision{Verdict: gate.Permit})
	r.Target.Repo = "payroll"
	err = errors.Join(err, l.Decision("s2", r, gate.Decision{}))
	err = errors.Join(err, l.Refused("s3", gate.Request{Caller: gate.Caller{Key: "SHA256:y"}, Door: "ssh"}, "no\n{\"v\":1}"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const who = `"principal":"alice","kind":"agent","class":3,"evidence":["what it hears","and what it does not"],"attestor":"laptop","attested":"agent","chain":["ssh, process 7 of uid 1000"],`
	const head, time = `{"v":2,"seq":`, `"time":"2026-11-23T12:00:00Z",`
	first, _, _ := bytes.Cut(got, []byte{'\n'})
	want := head + `1,"prev":"",` + time + `"event":"decision","session":"s1",` + who + `"override":"demo,shop","ref":"demo","verdict":"permit"}` + "\n" +
		head + `2,"prev":"` + hash(first) + `",` + time + `"event":"decision","session":"s2",` + who + `"override":"refused: elsewhere","ref":"payroll","verdict":"forbid"}` + "\n"
	if !strings.HasPrefix(string(got), want) {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	rest := strings.TrimPrefix(string(got), want)
	if strings.Count(rest, "\n") != 1 || !strings.Contains(rest, `"event":"refused","session":"s3","key":"SHA256:y"`) || !strings.Contains(rest, `"reason":"no`) {
		t.Errorf("the refusal reads %s", rest)
	}
}

func TestTheFileIsRootsAlone(t *testing.T) {
	_, path := open(t)
	for _, p := range []string{path, filepath.Dir(path)} {
		st, err := os.Stat(p)
		if err != nil {
			t.Fatal(err)
		}
		if st.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", p, st.Mode())
		}
	}
}

// A command with a line break, or with bytes that are no UTF-8, must neither forge a line nor lose a byte.
func TestACommandCannotForgeALine(t *testing.T) {
	l, path := open(t)
	r := request
	r.Command = "x\n{\"v\":1,\"verdict\":\"permit\"}\r\x1b]0;\xff\u202e"
	if err := l.Decision("s1", r, gate.Decision{}); err != nil {
		t.Fatal(err)
	}
	got, _ := os.ReadFile(path)
	if bytes.Count(got, []byte("\n")) != 1 {
		t.Fatalf("more than one line: %q", got)
	}
	var e Entry
	if err := json.Unmarshal(got, &e); err != nil {
		t.Fatal(err)
	}
	if want := `"x\n{\"v\":1,\"verdict\":\"permit\"}\r\x1b]0;\xff\u202e"`; e.Command != want {
		t.Errorf("command is %s, want %s", e.Command, want)
	}
}

func TestAFullDiskIsAnError(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	l := &Log{journal: quiet(), now: time.Now, file: full, maxSize: maxFile, refusals: sums{own: ownLines}, files: sums{own: gate.FileLines}, egress: sums{own: ownEgress}}
	err = l.Decision("s1", request, gate.Decision{Verdict: gate.Permit})
	if refusal, ok := gate.AsRefusal(err); !errors.Is(err, unix.ENOSPC) || !errors.Is(err, ErrUnwritable) || !ok || refusal.Hint == "" {
		t.Errorf("a full disk gives %v", err)
	}
	// Who has to mend it is let on.
	operators := request
	operators.Door = operatorDoor
	if err := errors.Join(l.Verb("s2", operators), l.Service("policy loaded")); err != nil {
		t.Errorf("the operator hears %v", err)
	}
}

func TestAClosedLogIsAnError(t *testing.T) {
	l, _ := open(t)
	l.Close()
	if err := l.Decision("s1", request, gate.Decision{}); err == nil {
		t.Error("a closed log takes a line")
	}
}

func TestASymlinkIsNotFollowed(t *testing.T) {
	o := options(t)
	victim := filepath.Join(t.TempDir(), "victim")
	if err := errors.Join(os.Mkdir(o.Dir, 0o700), os.Symlink(victim, filepath.Join(o.Dir, fileName(1)))); err != nil {
		t.Fatal(err)
	}
	if l, err := Open(o, quiet()); err == nil {
		l.Close()
		t.Error("a symlink was followed")
	}
}

// What a disk that fills up half-way through a line leaves behind is named by the next one, and spoils neither.
func TestHalfALineIsNamed(t *testing.T) {
	o := options(t)
	l := reopen(t, o)
	defer l.Close()
	must(t, l.Decision("s1", request, gate.Decision{}))
	before, _ := os.ReadFile(filepath.Join(o.Dir, current))
	// RLIMIT_FSIZE makes write(2) short, as a full disk does; the signal that comes with it is ignored by Go.
	var old unix.Rlimit
	must(t, unix.Getrlimit(unix.RLIMIT_FSIZE, &old))
	limit := unix.Rlimit{Cur: uint64(len(before) + 20), Max: old.Max}
	must(t, unix.Setrlimit(unix.RLIMIT_FSIZE, &limit))
	err := l.Decision("s2", request, gate.Decision{})
	must(t, unix.Setrlimit(unix.RLIMIT_FSIZE, &old))
	if err == nil {
		t.Fatal("half a line is no error")
	}
	must(t, l.Decision("s3", request, gate.Decision{}))
	must(t, l.Anchor())
	// What is not there is told of, once.
	after, _ := os.ReadFile(filepath.Join(o.Dir, current))
	if n := bytes.Count(after, []byte(`"event":"gap"`)); n != 1 || !bytes.Contains(after, []byte(`"count":1`)) {
		t.Errorf("%d lines tell of the gap: %s", n, after)
	}
	report := verified(t, o)
	if len(report.Findings) > 0 || report.Lines != 5 || report.After != 0 {
		t.Errorf("%+v", report)
	}
}

func TestLinesOfManyCallersDoNotMix(t *testing.T) {
	l, path := open(t)
	r := request
	r.Command = strings.Repeat("x", 20_000)
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for range 8 {
				if err := l.Decision("s", r, gate.Decision{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := 0
	for d := json.NewDecoder(f); ; lines++ {
		var e Entry
		if err := d.Decode(&e); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if lines != 128 {
		t.Errorf("%d lines, want 128", lines)
	}
}

// A line that tells of no decision must not look like a refusal.
func TestOnlyDecisionsHaveAVerdict(t *testing.T) {
	l, path := open(t)
	if err := errors.Join(l.Service("started"), l.Verb("s1", request)); err != nil {
		t.Fatal(err)
	}
	got, _ := os.ReadFile(path)
	if bytes.Count(got, []byte("\n")) != 2 || bytes.Contains(got, []byte("verdict")) {
		t.Errorf("the lines are %s", got)
	}
}

// The journal's line holds what a person looks for, and nothing that a client could forge it with.
func TestTheJournalHearsOfItToo(t *testing.T) {
	var journal bytes.Buffer
	l, _ := open(t)
	l.journal = slog.New(slog.NewTextHandler(&journal, nil))
	r := request
	r.Command = "x\nlevel=INFO msg=decision verdict=permit"
	if err := l.Decision("s1", r, gate.Decision{Reason: "no"}); err != nil {
		t.Fatal(err)
	}
	line := journal.String()
	if strings.Count(line, "\n") != 1 || !strings.Contains(line, "session=s1 principal=alice kind=agent agent=claude op=exec ref=demo:x command=") ||
		!strings.Contains(line, " verdict=forbid reason=no\n") {
		t.Errorf("the journal has %s", line)
	}
}

// What becomes of a grant is in the line with its name, and with whose session it is about; what a pod says cannot forge one.
func TestALineTellsOfAGrant(t *testing.T) {
	l, path := open(t)
	l.now = func() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }
	r := gate.Request{Caller: gate.Caller{Principal: "carol", Kind: gate.Human}, Target: gate.Target{Repo: "shop", Grand: true}, Grant: "g1", Asker: "bob", Op: gate.OpApprove}
	if err := l.Grant("s1", r, "made meanwhile: containers x\n{\"v\":1}"); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"v":2,"seq":1,"prev":"","time":"2026-11-23T12:00:00Z","event":"grant","session":"s1","principal":"carol","kind":"human","grant":"g1","asker":"bob",` +
		`"op":"approve","ref":"shop","reason":"made meanwhile: containers x\\n{\"v\":1}"}` + "\n"
	if string(got) != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}
