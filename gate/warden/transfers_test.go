package warden

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"forkgate/gate"
	"forkgate/gate/warden/client"
)

// What a session did to files is in the record as its session's, whichever connection of the door's says so, and after its end as well.
func TestFilesAreRecorded(t *testing.T) {
	h := newHost(t)
	h.start(t)
	s, err := h.connect(t, "demo", h.alice).Open(t.Context(), client.OpenRequest{Op: "sftp"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	tell := func(q client.FilesRequest) error {
		q.Session = s.ID
		return dial(t, h.door).Files(t.Context(), q)
	}
	put := gate.FileOperation{Did: gate.FileWrite, Path: []byte("a\xff"), Size: 3, SHA256: strings.Repeat("ab", 32), Outcome: gate.FileOK}
	if err := tell(client.FilesRequest{Operations: []gate.FileOperation{put}}); err != nil {
		t.Fatal(err)
	}
	h.pods.die(s.ID)
	h.book().look(h.pods.lives)
	gone := gate.FileOperation{Did: gate.FileRemove, Path: []byte("b"), Outcome: "failure"}
	for range 2 {
		if err := tell(client.FilesRequest{Operations: []gate.FileOperation{gone}, More: 5, Blind: "no SFTP"}); err != nil {
			t.Fatal(err)
		}
	}
	for line, times := range map[string]int{
		fmt.Sprintf("%s write %q of alice on demo: ok", s.ID, "a\xff"):   1,
		fmt.Sprintf("%s remove %q of alice on demo: failure", s.ID, "b"): 2,
		"5 more of alice": 2,
		fmt.Sprintf("%s of alice is not followed: no SFTP", s.ID): 1,
	} {
		if got := strings.Count("\n"+strings.Join(h.log.all(), "\n")+"\n", "\n"+line+"\n"); got != times {
			t.Errorf("%d times %q: %q", got, line, h.log.all())
		}
	}
	all := h.log.all()
	if counted := slices.Index(all, "5 more of alice"); counted < 0 || counted+1 == len(all) || !strings.Contains(all[counted+1], " remove ") {
		t.Errorf("what is counted does not come before the last of it: %q", all)
	}
}

// A door speaks for sessions of files alone, and in their words; of what it says otherwise nothing is recorded. The test before is the control.
func TestDoorsThatLieOfFiles(t *testing.T) {
	h := newHost(t)
	h.start(t)
	shell, err := h.connect(t, "demo", h.alice).Open(t.Context(), client.OpenRequest{Op: "shell"})
	if err != nil {
		t.Fatal(err)
	}
	defer shell.Close()
	files, err := h.connect(t, "demo", h.alice).Open(t.Context(), client.OpenRequest{Op: "sftp"})
	if err != nil {
		t.Fatal(err)
	}
	defer files.Close()
	good := gate.FileOperation{Did: gate.FileRemove, Path: []byte("b"), Outcome: gate.FileOK}
	before := len(h.log.all())
	for name, test := range map[string]struct {
		session string
		change  func(*gate.FileOperation, *client.FilesRequest)
		refused bool
	}{
		"a shell":           {shell.ID, func(*gate.FileOperation, *client.FilesRequest) {}, true},
		"nobody's session":  {"aaaaaaaaaaaa", func(*gate.FileOperation, *client.FilesRequest) {}, true},
		"no session":        {"", func(*gate.FileOperation, *client.FilesRequest) {}, true},
		"another word":      {files.ID, func(op *gate.FileOperation, _ *client.FilesRequest) { op.Did = "decision" }, false},
		"no word":           {files.ID, func(op *gate.FileOperation, _ *client.FilesRequest) { op.Did = "" }, false},
		"a path too long":   {files.ID, func(op *gate.FileOperation, _ *client.FilesRequest) { op.Path = make([]byte, gate.MaxFilePath+1) }, false},
		"another sum":       {files.ID, func(op *gate.FileOperation, _ *client.FilesRequest) { op.SHA256 = "ab" }, false},
		"a sum of anything": {files.ID, func(op *gate.FileOperation, _ *client.FilesRequest) { op.SHA256 = strings.Repeat("zz", 32) }, false},
		"a story":           {files.ID, func(op *gate.FileOperation, _ *client.FilesRequest) { op.Outcome = strings.Repeat("x", 300) }, false},
		"fewer than none":   {files.ID, func(_ *gate.FileOperation, q *client.FilesRequest) { q.More = -1 }, false},
		"a long reason":     {files.ID, func(_ *gate.FileOperation, q *client.FilesRequest) { q.Blind = strings.Repeat("x", 300) }, false},
		"too many": {files.ID, func(_ *gate.FileOperation, q *client.FilesRequest) {
			q.Operations = make([]gate.FileOperation, client.MaxFiles)
		}, false},
	} {
		op := good
		q := client.FilesRequest{Session: test.session}
		test.change(&op, &q)
		q.Operations = append(q.Operations, op)
		err := dial(t, h.door).Files(t.Context(), q)
		var failed *client.Failed
		if isRefusal(err) != test.refused || !test.refused && !errors.As(err, &failed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if lines := h.log.all(); len(lines) != before {
		t.Errorf("recorded: %q", lines[before:])
	}
}

// A warden remembers of so many that are over, and no more.
func TestLatelyIsBounded(t *testing.T) {
	var all transfers
	all.over(live{ID: "shell", Asked: gate.Request{Op: gate.OpShell}})
	for i := range maxLately + 2 {
		id := fmt.Sprint(i)
		all.over(live{ID: id, Asked: gate.Request{Op: gate.OpSFTP}})
		if !all.blinds(id) || all.blinds(id) {
			t.Fatal("it is news once")
		}
	}
	_, first := all.find("0")
	_, last := all.find(fmt.Sprint(maxLately + 1))
	_, shell := all.find("shell")
	if first || !last || shell || len(all.lately) != maxLately || len(all.blind) != maxLately {
		t.Errorf("%v, %v, %v, %d, %d", first, last, shell, len(all.lately), len(all.blind))
	}
}
