package docs

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"forkgate/tests/machine"
	"forkgate/tests/need"
)

// order has those documents that others go on from; the others come by their names.
var order = []string{"tutorial.md", "admin.md", "README.md"}

func TestMain(m *testing.M) { need.Parallel(m) }

// documents are README and packaging/docs/*.md, in the order in which they are run.
func documents(t *testing.T) (all []*document) {
	t.Helper()
	files, err := filepath.Glob("../../packaging/docs/*.md")
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no documents: %v", err)
	}
	files = append(files, "../../README.md")
	slices.SortStableFunc(files, func(a, b string) int { return place(a) - place(b) })
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		d, err := read(filepath.Base(file), string(text))
		if err != nil {
			t.Error(err)
			continue
		}
		d.file = file
		all = append(all, &d)
	}
	return all
}

func place(file string) int {
	if i := slices.Index(order, filepath.Base(file)); i >= 0 {
		return i
	}
	return len(order)
}

func TestDocumentsAreRunWhole(t *testing.T) { documents(t) }

// Every command of the documents does what stands there, on one host, one document after the other.
func TestDocuments(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, d := range documents(t) {
		t.Run(d.name, func(t *testing.T) {
			outdated := w.typeAll(t, d)
			if os.Getenv("UPDATE") == "" || len(outdated) == 0 {
				return
			}
			for _, update := range slices.Backward(outdated) { // from the end, as lines move
				update()
			}
			if err := os.WriteFile(d.file, []byte(strings.Join(d.lines, "\n")+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		})
	}
	w.mentions(t)
}

// typeAll types what a document shows, and returns what would bring it up to date, from its beginning to its end.
func (w *world) typeAll(t *testing.T, d *document) (outdated []func()) {
	t.Helper()
	for _, b := range d.blocks {
		if len(b.elsewhere) > 0 {
			continue
		}
		for _, c := range b.commands {
			started := time.Now()
			got := w.run(t, c)
			for end := started.Add(time.Minute); c.eventually && d.wrong(c, got) != "" && time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
				got = w.run(t, c)
			}
			if os.Getenv("TIMES") != "" {
				t.Logf("%5.1f s %s", time.Since(started).Seconds(), c.text)
			}
			if wrong := d.wrong(c, got); wrong != "" {
				t.Error(wrong)
				outdated = append(outdated, func() { d.update(c, got) })
			}
		}
	}
	return outdated
}

// Commands in sentences are there, with their flags: forkgate is installed by now.
func (w *world) mentions(t *testing.T) {
	for _, d := range documents(t) {
		for _, said := range d.mentioned() {
			if wrong := w.knows(t, said); wrong != "" {
				t.Errorf("%s says %s: %s", d.name, said, wrong)
			}
		}
	}
	for said, known := range map[string]bool{
		"forkgate show REF": true, "forkgate show REF --json": true, "forkgate show REF --xml": false, "forkgate audit forget": false, "forkgate forget": false,
	} {
		if wrong := w.knows(t, said); (wrong == "") != known {
			t.Errorf("%s: %q", said, wrong)
		}
	}
}

// wrong says how what came of a command is not what the document shows.
func (d *document) wrong(c command, got machine.Result) string {
	shown, seen := d.lines[c.first:c.end], split(got.Stdout+got.Stderr)
	if got.Code == c.code && matches(shown, seen) {
		return ""
	}
	return fmt.Sprintf("%s:%d: %s\nhas, with exit code %d:\n%s\nand the document, with %d:\n%s", d.name, c.line+1, c.text,
		got.Code, strings.Join(seen, "\n"), c.code, strings.Join(shown, "\n"))
}

// update has the document show what was seen.
func (d *document) update(c command, got machine.Result) {
	shown := split(got.Stdout + got.Stderr)
	if got.Code != 0 {
		shown = append(shown, fmt.Sprintf("[exit code %d]", got.Code))
	}
	end := c.end
	if c.code != 0 {
		end++
	}
	d.lines = slices.Replace(d.lines, c.first, end, shown...)
}

func split(text string) (lines []string) {
	for line := range strings.Lines(strings.ReplaceAll(text, "\r", "")) {
		lines = append(lines, strings.TrimRight(line, " \n"))
	}
	return lines
}

// run types a command: both of its outputs come as one, in Stdout.
func (w *world) run(t *testing.T, c command) machine.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	script := "cd; exec 2>&1 </dev/null\n" + c.text
	if c.who == "host" {
		return w.Run(ctx, t, "bash", "-c", script)
	}
	argv := []string{"runuser", "-u", "alice", "--", "env", "-i", "HOME=/home/alice", "USER=alice", "LANG=C.UTF-8", "PATH=/usr/local/bin:/usr/bin:/bin"}
	if c.who == "agent" {
		argv = append(argv, "CLAUDECODE=1")
	}
	return w.Run(ctx, t, append(argv, "bash", "-c", script)...)
}
