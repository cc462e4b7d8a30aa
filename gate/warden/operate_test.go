package warden

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"forkgate/fork"
	"forkgate/gate/warden/client"
)

func TestTheOperatorMakesARepository(t *testing.T) {
	h := newHost(t)
	h.start(t)
	c := dial(t, h.operator)
	tar := filepath.Join(t.TempDir(), "x.tar")
	if err := os.WriteFile(tar, make([]byte, 3<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{"of-tar": tar, "of-dir": filepath.Dir(tar), "empty": ""} {
		var source *os.File
		if path != "" {
			var err error
			if source, err = os.Open(path); err != nil {
				t.Fatal(err)
			}
			defer source.Close()
		}
		var lines []string
		err := c.RepoCreate(t.Context(), client.RepoCreateRequest{Name: name, Source: path}, source, func(line string) { lines = append(lines, line) })
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, made := h.trees.Find(name, ""); !made {
			t.Errorf("%s is not there", name)
		}
		if name == "of-tar" && !slices.Equal(lines, []string{"3 MiB of 3 MiB"}) {
			t.Errorf("progress is %q", lines)
		}
		if !slices.ContainsFunc(h.log.all(), func(l string) bool { return strings.HasPrefix(l, "verb operator repo create "+name) }) {
			t.Errorf("the log has %q", h.log.all())
		}
	}
}

// What is set aside for a backup is in the record, stays while the backup is good for something, and comes back under a name of its own.
func TestBackups(t *testing.T) {
	h := newHost(t)
	h.start(t)
	c := dial(t, h.operator)
	_, err := c.Keep(t.Context(), client.KeepRequest{Repo: "nowhere", For: "/mnt"})
	refused(t, err, "nowhere does not exist, or is not yours to see")
	k, err := c.Keep(t.Context(), client.KeepRequest{Repo: "demo", For: "/mnt"})
	if err != nil || k.Repo != "demo" || k.For != "/mnt" || k.Path != "/pool/kept/"+k.ID {
		t.Fatalf("kept is %+v, %v", k, err)
	}
	if err := c.Drop(t.Context(), client.DropRequest{ID: k.ID, Why: "/mnt", Done: "abc"}); err != nil {
		t.Fatal(err)
	}
	if kept, err := c.Kept(t.Context()); err != nil || len(kept) != 1 || kept[0] != k {
		t.Errorf("kept are %+v, %v", kept, err)
	}
	if err := c.Drop(t.Context(), client.DropRequest{ID: k.ID, Why: "over"}); err != nil || len(h.trees.Kept()) != 0 {
		t.Errorf("kept are %+v, %v", h.trees.Kept(), err)
	}
	stream, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	refused(t, c.Restore(t.Context(), client.RestoreRequest{Name: "../x", ID: k.ID}, stream, nil), `"../x" is no name for a repository: a name starts with a-z or 0-9, not '.'`)
	if err := c.Restore(t.Context(), client.RestoreRequest{Name: "back", ID: k.ID, Source: "/mnt/demo", Digest: "abc"}, stream, nil); err != nil {
		t.Error(err)
	}
	if _, made := h.trees.Find("back", ""); !made {
		t.Error("nothing was restored")
	}
	for _, want := range []string{
		`verb operator backup demo "/mnt"`, "verb operator backup " + k.ID + " is finished: /mnt, manifest sha256:abc",
		"verb operator backup " + k.ID + " is let go: over", `verb operator restore "/mnt/demo" ` + k.ID + " --as=back, manifest sha256:abc",
	} {
		if !slices.Contains(h.log.all(), want) {
			t.Errorf("the log lacks %q: %q", want, h.log.all())
		}
	}
}

func TestNamesOfRepositories(t *testing.T) {
	h := newHost(t)
	h.start(t)
	for name, reason := range map[string]string{
		"gate":   `"gate" is no name for a repository: gate is where control words answer`,
		"a:b":    `"a:b" is no name for a repository: a name is made of a-z 0-9 . _ -, not ':'`,
		"../etc": `"../etc" is no name for a repository: a name starts with a-z or 0-9, not '.'`,
		"":       `"" is no name for a repository: a name is missing`,
	} {
		refused(t, dial(t, h.operator).RepoCreate(t.Context(), client.RepoCreateRequest{Name: name}, nil, nil), reason)
	}
}

func TestARepositoryWithForksStays(t *testing.T) {
	h := newHost(t)
	h.start(t)
	for _, understood := range []string{"", "shop", "demo "} {
		refused(t, dial(t, h.operator).RepoRemove(t.Context(), "demo", understood), "this deletes production, and nobody has said to understand that")
	}
	refused(t, dial(t, h.operator).RepoRemove(t.Context(), "demo", "demo"), "has forks")
}

func TestRootfs(t *testing.T) {
	h := newHost(t)
	h.start(t)
	c := dial(t, h.operator)
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	if made, err := c.RootfsImport(t.Context(), "null", null, nil); err != nil || made != (client.Rootfs{Digest: "d2", Current: true}) {
		t.Errorf("imported is %+v, %v", made, err)
	}
	want := []client.Rootfs{{Digest: "d0"}, {Digest: "d1", Current: true}}
	if all, err := c.RootfsList(t.Context()); err != nil || !reflect.DeepEqual(all, want) {
		t.Errorf("the list is %+v, %v", all, err)
	}
}

func TestStatus(t *testing.T) {
	h := populated(t)
	demo, _ := h.trees.Find("demo", "")
	_ = h.pods.Start(t.Context(), unitOf(demo.GUID))
	s, err := dial(t, h.operator).Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if s.Version != "test" || s.Repositories != 2 || s.Forks != 3 || !slices.Equal(s.Pods, []string{"demo"}) ||
		s.PoolFree != 5<<30 || s.PolicyError != "" || s.PolicySince.IsZero() {
		t.Errorf("status is %+v", s)
	}
}

// The operator runs commands in repositories alone, and each is in the record.
func TestTheOperatorRunsInARepository(t *testing.T) {
	h := populated(t)
	c := dial(t, h.operator)
	s, err := c.RepoRun(t.Context(), client.RepoRunRequest{Name: "demo", Command: []byte("echo \x1b hello")})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if exit, err := s.Wait(); err != nil || exit.Code != 7 {
		t.Errorf("it ended with %+v, %v", exit, err)
	}
	h.pods.mu.Lock()
	did := h.pods.work[len(h.pods.work)-1]
	h.pods.mu.Unlock()
	if string(did.Command) != "echo \x1b hello" || did.Home != runHome || did.Terminal != nil || !slices.Contains(did.Env, "REDIACC_ROLE=grand") {
		t.Errorf("there ran %+v", did)
	}
	if want := `verb operator repo run demo "echo \x1b hello"`; !slices.Contains(h.log.all(), want) {
		t.Errorf("the log lacks %q: %q", want, h.log.all())
	}
	for name, want := range map[string]string{"nowhere": "nowhere does not exist, or is not yours to see", "demo:hers": "demo:hers is a fork, in which nobody runs anything without having entered it"} {
		_, err := c.RepoRun(t.Context(), client.RepoRunRequest{Name: name, Command: []byte("id")})
		refused(t, err, want)
	}
	bad := h.trees.add(fork.Tree{Repo: "demo", Tag: "bad", Owner: "alice", Unsettled: "it failed"})
	in, err := c.RepoRun(t.Context(), client.RepoRunRequest{Name: "demo:bad", Command: []byte("id")})
	if err != nil {
		t.Fatal(err)
	}
	in.Close()
	for range 200 { // its pod is there for that alone
		if !h.pods.has(bad.GUID) {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if h.pods.has(bad.GUID) {
		t.Error("the pod of a fork that is not settled runs on")
	}
	for _, command := range []string{"", strings.Repeat("x", maxRun+1)} { // which no client of ours says
		if _, err := dial(t, h.operator).RepoRun(t.Context(), client.RepoRunRequest{Name: "demo", Command: []byte(command)}); err == nil {
			t.Errorf("a command of %d bytes runs", len(command))
		}
	}
}
