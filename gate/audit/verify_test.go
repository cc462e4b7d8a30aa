package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"forkgate/gate"
	"forkgate/tests/need"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// verified is what Verify says of a log, with the copy of its newest anchor.
func verified(t *testing.T, o Options, more ...Entry) Report {
	t.Helper()
	key, err := PublicKey(o.Key)
	must(t, err)
	copies, err := NewestCopy(o.Copy, key)
	must(t, err)
	report, err := Verify(o.Dir, key, append(copies, more...)...)
	must(t, err)
	return report
}

// written is a log of three files, anchored after each five lines and at the end.
func written(t *testing.T) Options {
	t.Helper()
	o := options(t)
	l := reopen(t, o)
	l.maxSize = 2500
	for n := range 20 {
		must(t, l.Decision(fmt.Sprint("s", n), request, gate.Decision{Verdict: gate.Permit, Rule: "work"}))
		if n%5 == 4 {
			must(t, l.Anchor())
		}
	}
	must(t, l.Close())
	all, err := numbers(o.Dir)
	must(t, err)
	if len(all) < 3 {
		t.Fatalf("there are the files %v", all)
	}
	return o
}

// log is one that an attacker with root's rights works on: its lines, by file.
type log struct {
	t *testing.T
	o Options
}

func (l log) path(number int) string { return filepath.Join(l.o.Dir, fileName(number)) }

func (l log) lines(number int) []string {
	text, err := os.ReadFile(l.path(number))
	must(l.t, err)
	return strings.SplitAfter(strings.TrimSuffix(string(text), "\n"), "\n")
}

func (l log) put(number int, lines []string) {
	must(l.t, os.WriteFile(l.path(number), []byte(strings.Join(lines, "")), 0o600))
}

func (l log) newest() int {
	all, err := numbers(l.o.Dir)
	must(l.t, err)
	return all[len(all)-1]
}

// rechained is what an attacker without the key makes of lines: each with the number and the hash that it should have.
func rechained(t *testing.T, lines []string, seq uint64, prev string) []string {
	var out []string
	for _, line := range lines {
		var e Entry
		must(t, json.Unmarshal([]byte(line), &e))
		e.Seq, e.Prev = seq, prev
		text, err := json.Marshal(e)
		must(t, err)
		seq, prev = seq+1, hash(text)
		out = append(out, string(text)+"\n")
	}
	return out
}

// Whatever root does to a log, without the key, is found, with its place; and nothing is found where nothing was done.
func TestTampering(t *testing.T) {
	for _, attack := range []struct {
		name string
		do   func(l log)
		want string
	}{
		{"nothing", func(log) {}, ""},
		{"a changed line", func(l log) {
			lines := l.lines(1)
			lines[2] = strings.Replace(lines[2], `"alice"`, `"carol"`, 1)
			l.put(1, lines)
		}, "audit-000001.jsonl:3: this line is not the one that was written"},
		{"a removed line", func(l log) { l.put(1, append(l.lines(1)[:2], l.lines(1)[3:]...)) }, "audit-000001.jsonl:3: lines 3 to 3 are missing"},
		{"the first line removed", func(l log) { l.put(1, l.lines(1)[1:]) }, "audit-000001.jsonl:1: the log begins with line 2"},
		{"an inserted line", func(l log) {
			lines := l.lines(2)
			l.put(2, append([]string{lines[0], lines[0]}, lines[1:]...))
		}, "audit-000002.jsonl:2: line "},
		{"two lines swapped", func(l log) {
			lines := l.lines(1)
			lines[1], lines[2] = lines[2], lines[1]
			l.put(1, lines)
		}, "audit-000001.jsonl:2: lines 2 to 2 are missing"},
		{"the tail cut at a line", func(l log) { l.put(l.newest(), l.lines(l.newest())[:1]) }, ", and line 24 was signed at "},
		{"the tail cut within a line", func(l log) {
			lines := l.lines(l.newest())
			l.put(l.newest(), append(lines[:1], lines[1][:30]))
		}, ", and line 24 was signed at "},
		{"two files swapped", func(l log) {
			first, second := l.lines(1), l.lines(2)
			l.put(1, second)
			l.put(2, first)
		}, "audit-000001.jsonl:1: the log begins with line "},
		{"the first file deleted", func(l log) { must(l.t, os.Remove(l.path(1))) }, "audit-000002.jsonl:1: the log begins with line "},
		{"a file in the middle deleted", func(l log) { must(l.t, os.Remove(l.path(2))) }, "audit-000003.jsonl:1: lines "},
		{"the newest file deleted", func(l log) { must(l.t, os.Remove(l.path(l.newest()))) }, ", and line 24 was signed at "},
		{"all files deleted", func(l log) { must(l.t, os.RemoveAll(l.o.Dir)); must(l.t, os.Mkdir(l.o.Dir, 0o700)) }, "the log is empty"},
		{"the chain begun anew", func(l log) {
			n := l.newest()
			l.put(n+1, rechained(l.t, l.lines(1)[:2], 1, ""))
		}, ":1: the chain begins anew"},
		{"rubbish between lines", func(l log) {
			lines := l.lines(1)
			l.put(1, append(lines[:2:2], append([]string{"rubbish\n"}, lines[2:]...)...))
		}, "audit-000001.jsonl:3: this is no line of the log"},
		{"rubbish at the end", func(l log) {
			l.put(l.newest(), append(l.lines(l.newest()), "\n", "rubbish\n"))
		}, ": this is no line of the log"},
		{"half a line of rubbish", func(l log) { l.put(l.newest(), append(l.lines(l.newest()), "\n", "rubbish")) }, ": this is no line of the log"},
		{"a line changed and all behind it chained again", func(l log) {
			lines := l.lines(1)
			lines[2] = strings.Replace(lines[2], `"alice"`, `"carol"`, 1)
			var e Entry
			must(l.t, json.Unmarshal([]byte(lines[1]), &e))
			l.put(1, append(lines[:2:2], rechained(l.t, lines[2:], e.Seq+1, hash([]byte(strings.TrimSuffix(lines[1], "\n"))))...))
		}, ": this anchor is not signed by the key SHA256:"},
	} {
		t.Run(attack.name, func(t *testing.T) {
			o := written(t)
			attack.do(log{t, o})
			report := verified(t, o)
			var said []string
			for _, f := range report.Findings {
				said = append(said, f.Place+": "+f.What)
			}
			if attack.want == "" {
				if len(said) > 0 || report.Lines != 24 || report.After != 0 || report.Anchored.IsZero() {
					t.Errorf("%+v", report)
				}
				return
			}
			if len(said) == 0 || !strings.Contains(said[0], attack.want) {
				t.Errorf("found %q, not %q", said, attack.want)
			}
		})
	}
}

// Anchors of another key are nobody's, and so is the copy.
// A clock that is set back is no tampering: lines are in order by their numbers. Until when the log is signed is what the last anchor says.
func TestTheClockGoesBack(t *testing.T) {
	o := options(t)
	noon := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	for _, now := range []time.Time{noon, noon.Add(-time.Hour), noon.Add(-48 * time.Hour), noon} {
		l := reopen(t, o)
		for range 3 {
			l.now = func() time.Time { return now }
			must(t, l.Decision("s", request, gate.Decision{Verdict: gate.Permit}))
			must(t, l.Anchor())
			now = now.Add(-time.Minute)
		}
		must(t, l.Close())
		if report := verified(t, o); len(report.Findings) > 0 || !report.Anchored.Equal(now.Add(time.Minute)) {
			t.Errorf("%+v, not until %s", report, now.Add(time.Minute))
		}
	}
}

func TestAnotherKey(t *testing.T) {
	o := written(t)
	must(t, os.Remove(o.Key))
	_, err := openKey(o.Key)
	must(t, err)
	key, err := PublicKey(o.Key)
	must(t, err)
	if _, err := NewestCopy(o.Copy, key); err == nil || !strings.Contains(err.Error(), "is not signed by the log's key") {
		t.Errorf("the copy: %v", err)
	}
	report, err := Verify(o.Dir, key)
	must(t, err)
	if len(report.Findings) != 4 || !report.Anchored.IsZero() || !strings.Contains(report.Findings[0].What, "this anchor is not signed by the key "+Fingerprint(key)) {
		t.Errorf("%+v", report)
	}
}

// What nothing here can find is a log that was cut back to an older anchor together with the copy beside it; with a copy from elsewhere it
// is.
func TestCutBackToAnOlderAnchor(t *testing.T) {
	o := written(t)
	l := log{t, o}
	elsewhere, err := readCopy(o.Copy)
	must(t, err)
	var older string
	for n := l.newest(); older == "" && n > 0; n-- {
		lines := l.lines(n)
		for i := len(lines) - 1; i >= 0; i-- {
			if strings.Contains(lines[i], `"event":"anchor"`) && !strings.Contains(lines[i], elsewhere.Sign) {
				older = lines[i]
				l.put(n, lines[:i+1])
				break
			}
		}
		if older == "" {
			must(t, os.Remove(l.path(n)))
		}
	}
	must(t, os.WriteFile(o.Copy, []byte(older), 0o600))
	if report := verified(t, o); len(report.Findings) > 0 {
		t.Errorf("the control is found: %+v", report.Findings)
	}
	if report := verified(t, o, elsewhere); len(report.Findings) != 1 || !strings.Contains(report.Findings[0].What, "it was cut") {
		t.Errorf("%+v", report.Findings)
	}
}

// A warden that starts on a log that was cut says so in the chain, where the next anchor does not cover it up.
func TestACutLogIsRemembered(t *testing.T) {
	o := written(t)
	l := log{t, o}
	l.put(l.newest(), l.lines(l.newest())[:1])
	must(t, reopen(t, o).Close())
	must(t, reopen(t, o).Close())
	if report := verified(t, o); len(report.Findings) != 1 || !strings.Contains(report.Findings[0].What, "the warden found this when it started: the log ends at line") {
		t.Errorf("%+v", report.Findings)
	}
}

// A log from before there were chains stays readable, and does not count.
func TestALogFromBefore(t *testing.T) {
	o := options(t)
	must(t, os.Mkdir(o.Dir, 0o700))
	must(t, os.WriteFile(filepath.Join(o.Dir, current), []byte("{\"v\":1,\"event\":\"service\"}\n"), 0o600))
	l := reopen(t, o)
	must(t, l.Service("started"))
	must(t, l.Close())
	if report := verified(t, o); len(report.Findings) > 0 || report.Unchained != 1 || report.Lines != 2 {
		t.Errorf("%+v", report)
	}
}

// Two who write would break the chain.
func TestOneWriter(t *testing.T) {
	o := options(t)
	l := reopen(t, o)
	if second, err := Open(o, quiet()); err == nil || !strings.Contains(err.Error(), "somebody writes it already") {
		second.Close()
		t.Errorf("a second one: %v", err)
	}
	must(t, l.Close())
	must(t, reopen(t, o).Close())
}

// The kernel refuses all but appending, where the filesystem has that.
func TestAppendOnly(t *testing.T) {
	need.Root(t)
	need.Tools(t, "chattr")
	o := options(t)
	o.Append = true
	l := reopen(t, o)
	l.maxSize = 1000
	t.Cleanup(func() {
		files, _ := filepath.Glob(filepath.Join(o.Dir, "audit-*"))
		if out, err := exec.Command("chattr", append([]string{"-a"}, files...)...).CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	})
	for range 6 {
		must(t, l.Decision("s", request, gate.Decision{Verdict: gate.Permit}))
	}
	must(t, l.Close())
	path := filepath.Join(o.Dir, fileName(1))
	for what, err := range map[string]error{
		"truncated": os.Truncate(path, 10), "overwritten": os.WriteFile(path, []byte("x"), 0o600), "removed": os.Remove(path),
	} {
		if !errors.Is(err, unix.EPERM) {
			t.Errorf("it can be %s: %v", what, err)
		}
	}
	if report := verified(t, o); len(report.Findings) > 0 || report.Lines != 7 {
		t.Errorf("%+v", report)
	}
}

// Refusals of one principal that come by the hundred are counted.
func TestRefusalsAreSummed(t *testing.T) {
	l, path := open(t)
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	l.now = func() time.Time { return now }
	for range ownLines + 50 {
		must(t, l.Decision("s", request, gate.Decision{Reason: "no"}))
	}
	other := request
	other.Caller.Principal = "bob"
	must(t, errors.Join(l.Decision("s", other, gate.Decision{}), l.Decision("s", request, gate.Decision{Verdict: gate.Permit})))
	l.sumUp()
	l.sumUp()
	text, _ := os.ReadFile(path)
	if got := bytes.Count(text, []byte(`"reason":"no"`)); got != ownLines {
		t.Errorf("%d refusals have lines", got)
	}
	if !bytes.Contains(text, []byte(`"principal":"bob"`)) || !bytes.Contains(text, []byte(`"verdict":"permit"`)) ||
		bytes.Count(text, []byte(`"count":50`)) != 1 || bytes.Count(text, []byte(`"event":"summed"`)) != 1 {
		t.Errorf("the log ends %s", text[max(0, len(text)-1500):])
	}
}

// TestMain writes a log until it is killed, when a test asks for that, and prints which lines are on the disk.
func TestMain(m *testing.M) {
	dir := os.Getenv("AUDIT_WRITER")
	if dir == "" {
		os.Exit(m.Run())
	}
	l, err := Open(Options{Dir: dir + "/audit", Key: dir + "/key", Copy: dir + "/anchor"}, quiet())
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	l.maxSize = 100_000
	for n := 1; ; n++ {
		err := l.Decision("s"+strconv.Itoa(n), request, gate.Decision{Verdict: gate.Permit})
		if err == nil && n%50 == 0 {
			err = l.Anchor()
		}
		if err = errors.Join(err, l.Settle()); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(n)
	}
}

// writer writes to a log in dir until it has settled some lines, and is killed. It returns how many there were before it was stopped, and
// how many in all.
func writer(t *testing.T, dir string, atLeast int, stop func(*exec.Cmd)) (before, all int) {
	t.Helper()
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), "AUDIT_WRITER="+dir)
	out, err := c.StdoutPipe()
	must(t, err)
	must(t, c.Start())
	defer func() { _ = c.Process.Kill(); _ = c.Wait() }()
	var seen bytes.Buffer
	for buf := make([]byte, 4096); bytes.Count(seen.Bytes(), []byte{'\n'}) < atLeast; {
		n, err := out.Read(buf)
		seen.Write(buf[:n])
		must(t, err)
	}
	before = bytes.Count(seen.Bytes(), []byte{'\n'})
	stop(c)
	_ = c.Process.Kill()
	for buf := make([]byte, 4096); ; {
		n, err := out.Read(buf)
		seen.Write(buf[:n])
		if err != nil {
			break
		}
	}
	return before, bytes.Count(seen.Bytes(), []byte{'\n'})
}

// intact checks a log after a crash: nothing is wrong with it as it lies there, nor once the next warden has gone on with it, and what
// was settled is there.
func intact(t *testing.T, dir string, settled int) {
	t.Helper()
	o := Options{Dir: dir + "/audit", Key: dir + "/key", Copy: dir + "/anchor"}
	check := func(when string) {
		report := verified(t, o)
		if len(report.Findings) > 0 {
			t.Errorf("%s: %+v", when, report.Findings)
		}
		there := 0
		for line, err := range Lines(o.Dir) {
			must(t, err)
			if line.Entry.Event == EventDecision {
				there++
			}
		}
		if there < settled {
			t.Errorf("%s: of %d settled lines there are %d", when, settled, there)
		}
	}
	check("as it lies there")
	l := reopen(t, o)
	must(t, l.Service("started"))
	must(t, l.Close())
	check("after the next start")
}

// A warden that is killed loses nothing that it has settled.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	total := 0
	for round := range 5 {
		_, all := writer(t, dir, 100+37*round, func(c *exec.Cmd) { _ = c.Process.Kill() })
		total += all
		intact(t, dir, total)
	}
}

// Neither does one whose host loses power while it writes: what is on the disk at some moment is all that counts. The disk is a file on a btrfs,
// which is cloned (ioctl_ficlonerange(2)) as it is at one moment, in the middle of whatever the kernel and the log are doing.
func TestPowerCut(t *testing.T) {
	need.Tools(t, "mkfs.ext4", "mkfs.btrfs", "mount", "umount", "cp")
	for _, of := range []string{"ext4", "btrfs"} {
		t.Run(of, func(t *testing.T) { cutPower(t, of) })
	}
}

func cutPower(t *testing.T, of string) {
	t.Helper()
	work := need.Btrfs(t)
	tool := func(name string, args ...string) {
		t.Helper()
		if out, err := exec.CommandContext(context.Background(), name, args...).CombinedOutput(); err != nil {
			t.Fatalf("%s %q: %v\n%s", name, args, err, out)
		}
	}
	disk, after, live, dead := work+"/disk", work+"/after", work+"/live", work+"/dead"
	must(t, errors.Join(os.Mkdir(live, 0o700), os.Mkdir(dead, 0o700)))
	tool("truncate", "-s", "256M", disk)
	tool("mkfs."+of, "-q", disk)
	tool("mount", "-o", "loop", disk, live)
	t.Cleanup(func() { tool("umount", live) })
	total := 0
	for range 5 {
		before, all := writer(t, live, 60+rand.IntN(300), func(*exec.Cmd) { tool("cp", "--reflink=always", disk, after) })
		if of == "btrfs" { // which takes a second one with the same id for a part of the first
			tool("umount", live)
		}
		tool("mount", "-o", "loop", after, dead)
		intact(t, dead, total+before)
		tool("umount", dead)
		if of == "btrfs" {
			tool("mount", "-o", "loop", disk, live)
		}
		must(t, os.Remove(after))
		total += all
	}
}
