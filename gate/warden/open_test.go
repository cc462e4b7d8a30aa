package warden

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"forkgate/fork"
	"forkgate/gate"
	"forkgate/gate/warden/client"
)

// refused fails the test unless err is a refusal with these words.
func refused(t testing.TB, err error, reason string) {
	t.Helper()
	refusal, ok := gate.AsRefusal(err)
	if !ok {
		t.Fatalf("not refused but: %v", err)
	}
	if refusal.Reason != reason {
		t.Fatalf("refused with %q, want %q", refusal.Reason, reason)
	}
}

func TestAPersonEntersProduction(t *testing.T) {
	h := newHost(t)
	h.start(t)
	s, err := h.connect(t, "demo", h.alice).Open(t.Context(), client.OpenRequest{
		Op: "exec", Command: []byte("id\xff"), Env: [][]byte{[]byte("LANG=C"), []byte("REDIACC_ROLE=fork")},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if exit, err := s.Wait(); err != nil || exit.Code != 7 {
		t.Errorf("the session ends with %v, %v", exit, err)
	}
	ran := h.pods.ran()
	if len(ran) != 1 || string(ran[0].Command) != "id\xff" || ran[0].Home != "alice.human" || ran[0].Session != s.ID {
		t.Fatalf("what ran is %+v", ran)
	}
	tree, _ := h.trees.Find("demo", "")
	env := strings.Join(ran[0].Env, "\n")
	want := fmt.Sprintf("LANG=C\nREDIACC_ROLE=fork\nREDIACC_WORKING_DIR=/srv/%s\nREDIACC_REPOSITORY=%[1]s\n"+
		"REDIACC_NETWORK_ID=%d\nREDIACC_ROLE=grand\nDOCKER_HOST=unix:///var/run/rediacc/docker-%[2]d.sock\nFORKGATE_SESSION=%[3]s",
		tree.GUID, tree.NetworkID(), s.ID)
	if env != want {
		t.Errorf("the environment is\n%s\nwant\n%s", env, want)
	}
	if !h.log.has("permit alice exec demo") {
		t.Errorf("the log has %q", h.log.all())
	}
}

func TestAnAgentIsKeptOutOfProductionAndGetsAFork(t *testing.T) {
	h := newHost(t)
	h.start(t)
	c := h.connect(t, "demo", h.bob)
	_, err := c.Open(t.Context(), client.OpenRequest{Op: "shell"})
	refused(t, err, "demo is a grand (production) repository; agents work in forks")
	if len(h.pods.ran()) != 0 || h.pods.starts() != 0 {
		t.Fatal("something ran all the same")
	}
	s, err := h.connect(t, "demo x", h.bob).Open(t.Context(), client.OpenRequest{Op: "shell"}) // ssh:// makes + a space
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	if made, ok := h.trees.Find("demo", "x"); !ok || made.Owner != "bob" {
		t.Errorf("the fork is %+v", made)
	}
	for _, line := range []string{"forbid bob shell demo", "permit bob fork demo:x", "permit bob shell demo:x"} {
		if !h.log.has(line) {
			t.Errorf("the log lacks %q: %q", line, h.log.all())
		}
	}
}

// A mark of an agent counts wherever it is: among the variables for evidence and among those for the session.
func TestAMarkMakesAPersonAnAgent(t *testing.T) {
	h := newHost(t)
	h.start(t)
	mark := [][]byte{[]byte("CLAUDECODE=1")}
	for name, q := range map[string]client.OpenRequest{
		"mark": {Op: "shell", Marks: mark}, "env": {Op: "shell", Env: mark},
	} {
		_, err := h.connect(t, "demo", h.alice).Open(t.Context(), q)
		if _, ok := gate.AsRefusal(err); !ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What one may not see and what does not exist must read the same, whatever form the ref has.
func TestTheHiddenReadsAsTheMissing(t *testing.T) {
	h := newHost(t)
	h.trees.add(fork.Tree{Repo: "secret", Tag: "x", Owner: "alice"})
	h.start(t)
	for _, form := range []string{"%s", "%s+x", "%s+new", "%s+"} {
		var answers []string
		for _, repo := range []string{"secret", "absent"} {
			_, err := h.connect(t, fmt.Sprintf(form, repo), h.bob).Open(t.Context(), client.OpenRequest{Op: "shell"})
			refusal, ok := gate.AsRefusal(err)
			if !ok {
				t.Fatalf("%s of %s: %v", form, repo, err)
			}
			answers = append(answers, strings.ReplaceAll(fmt.Sprint(*refusal), repo, "REPO"))
		}
		if answers[0] != answers[1] {
			t.Errorf("%s: hidden is %q, missing is %q", form, answers[0], answers[1])
		}
	}
	if _, made := h.trees.Find("secret", "new"); made {
		t.Error("a fork of the hidden repository was made")
	}
}

func TestTheControlUserOpensNoSession(t *testing.T) {
	h := newHost(t)
	h.start(t)
	_, err := h.connect(t, "gate", h.alice).Open(t.Context(), client.OpenRequest{Op: "shell"})
	refused(t, err, "gate is no repository; it answers control words")
}

func TestAMalformedUserNameIsRefusedInWords(t *testing.T) {
	h := newHost(t)
	h.start(t)
	_, err := h.connect(t, "../etc\xff", h.alice).Open(t.Context(), client.OpenRequest{Op: "shell"})
	if refusal, ok := gate.AsRefusal(err); !ok || !strings.Contains(refusal.Reason, `"../etc\xff" names no repository`) {
		t.Errorf("it says %v", err)
	}
}

// Policy judges what runs, not what the door calls it: sftp runs one program, and a shell is no exec.
func TestTheOpIsWhatRuns(t *testing.T) {
	h := newHost(t)
	h.start(t)
	c := h.connect(t, "demo", h.alice)
	for _, q := range []client.OpenRequest{
		{Op: "sftp", Command: []byte("sh")}, {Op: "shell", Command: []byte("id")}, {Op: "remove"}, {Op: "list"}, {},
	} {
		if _, err := c.Open(t.Context(), q); err == nil {
			t.Errorf("%+v was permitted", q)
		}
	}
	if ran := h.pods.ran(); len(ran) > 0 {
		t.Fatalf("this ran: %+v", ran)
	}
	for op, want := range map[string]string{"sftp": sftpServer, "exec": ":"} {
		s, err := c.Open(t.Context(), client.OpenRequest{Op: op})
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
		if ran := h.pods.ran(); string(ran[len(ran)-1].Command) != want {
			t.Errorf("%s runs %q", op, ran[len(ran)-1].Command)
		}
	}
}

// Files of a connection whose commands go home first are there too, and those of others are in the repository.
func TestWhereFilesAre(t *testing.T) {
	h := newHost(t)
	h.start(t)
	for command, home := range map[string]bool{
		"cd; mkdir -p .zed_server": true, "cd && ls": true, "cd ;ls": true,
		"cd": false, "cd x; ls": false, "cd-x; ls": false, "echo; cd; ls": false, "cd | ls": false,
	} {
		c := h.connect(t, "demo+x", h.bob)
		for _, q := range []client.OpenRequest{{Op: "exec", Command: []byte(command)}, {Op: "sftp"}} {
			s, err := c.Open(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			s.Close()
		}
		want := sftpServer
		if home {
			want = "cd && " + sftpServer
		}
		if ran := h.pods.ran(); string(ran[len(ran)-1].Command) != want {
			t.Errorf("after %q sftp is %q", command, ran[len(ran)-1].Command)
		}
	}
}

func TestWhatCannotBeLoggedIsNotDone(t *testing.T) {
	h := newHost(t)
	h.start(t)
	c, g := h.connect(t, "demo", h.alice), h.connect(t, "gate", h.alice)
	h.log.mu.Lock()
	h.log.fail = errors.New("disk full")
	h.log.mu.Unlock()
	var failed *client.Failed
	if _, err := c.Open(t.Context(), client.OpenRequest{Op: "shell"}); !errors.As(err, &failed) || failed.Session == "" {
		t.Errorf("open says %v", err)
	}
	if _, err := g.Verb(t.Context(), client.VerbRequest{Words: say("fork", "demo", "x")}); !errors.As(err, &failed) {
		t.Errorf("fork says %v", err)
	}
	if err := dial(t, h.operator).RepoCreate(t.Context(), client.RepoCreateRequest{Name: "new"}, nil, nil); !errors.As(err, &failed) {
		t.Errorf("repo create says %v", err)
	}
	if len(h.pods.ran()) > 0 || len(h.trees.Forks("")) > 0 || len(h.trees.Repos()) != 2 {
		t.Error("something was done all the same")
	}
}

// 16 requests per principal, over all connections; another principal is not held up.
func TestRequestsPerPrincipalAreCapped(t *testing.T) {
	h := newHost(t)
	h.trees.slow = make(chan struct{})
	h.turns.patience = 20 * time.Millisecond
	h.start(t)
	var waiting sync.WaitGroup
	for i := range maxRequests {
		c := h.connect(t, fmt.Sprintf("demo+t%d", i), h.bob)
		waiting.Go(func() {
			if s, err := c.Open(t.Context(), client.OpenRequest{Op: "shell"}); err != nil {
				t.Error(err)
			} else {
				s.Close()
			}
		})
	}
	for h.turns.underWay.count("bob") < maxRequests {
	}
	_, err := h.connect(t, "demo+more", h.bob).Open(t.Context(), client.OpenRequest{Op: "shell"})
	refused(t, err, "16 of your requests are under way already")
	_, err = h.connect(t, "gate", h.bob).Verb(t.Context(), client.VerbRequest{Words: say("whoami")})
	refused(t, err, "16 of your requests are under way already")
	if s, err := h.connect(t, "demo", h.alice).Open(t.Context(), client.OpenRequest{Op: "shell"}); err != nil {
		t.Errorf("alice is held up: %v", err)
	} else {
		s.Close()
	}
	close(h.trees.slow)
	waiting.Wait()
	if n := h.turns.underWay.count("bob") + h.turns.waiting.count("bob"); n != 0 {
		t.Errorf("%d are counted still", n)
	}
	if s, err := h.connect(t, "demo+more", h.bob).Open(t.Context(), client.OpenRequest{Op: "shell"}); err != nil {
		t.Errorf("afterwards: %v", err)
	} else {
		s.Close()
	}
}

// What waits for its turn gets it, and is judged by the policy that is in force then.
func TestWhoWaitsIsLookedAtAgain(t *testing.T) {
	for _, dropped := range []bool{false, true} {
		h := newHost(t)
		h.turns.underWay = newLimit[string](1)
		slow := make(chan struct{})
		h.Warden.words["help"] = func(context.Context, *word) (page, error) { <-slow; return page{}, nil }
		h.start(t)
		var waiting sync.WaitGroup
		first, next := h.connect(t, "gate", h.bob), h.connect(t, "demo+x", h.bob)
		waiting.Go(func() { _, _ = first.Verb(t.Context(), client.VerbRequest{Words: say("help")}) })
		for h.turns.underWay.count("bob") == 0 {
		}
		waiting.Go(func() {
			s, err := next.Open(t.Context(), client.OpenRequest{Op: "shell"})
			switch {
			case dropped:
				refused(t, err, "no principal has the key "+ssh.FingerprintSHA256(h.bob))
			case err != nil:
				t.Errorf("it is not let in when it is its turn: %v", err)
			default:
				s.Close()
			}
		})
		for h.turns.waiting.count("bob") == 0 {
		}
		if dropped {
			h.text = strings.ReplaceAll(h.text, line(h.bob), line(newKey(t)))
			if err := h.rules.reload(); err != nil {
				t.Fatal(err)
			}
		}
		close(slow)
		waiting.Wait()
		if ran := len(h.pods.ran()); ran == 0 != dropped {
			t.Errorf("dropped %v: %d ran", dropped, ran)
		}
	}
}

// A connection may give up as many requests as it likes: none of them is under way any more.
func TestGivenUpRequestsDoNotCount(t *testing.T) {
	h := newHost(t)
	h.turns.underWay = newLimit[string](1000)
	slow := make(chan struct{})
	h.Warden.words["whoami"] = func(context.Context, *word) (page, error) { <-slow; return page{}, nil }
	h.start(t)
	defer close(slow)
	c := h.connect(t, "gate", h.bob)
	for range 4 * maxUnanswered {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := c.Verb(ctx, client.VerbRequest{Words: say("whoami")}); !errors.Is(err, context.Canceled) {
			t.Fatalf("it says %v", err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := c.Verb(ctx, client.VerbRequest{Words: say("help")}); err != nil {
		t.Errorf("it does not answer any more: %v", err)
	}
}

// count is how many k has.
func (l *limit[K]) count(k K) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.has[k]
}

// A door that goes away takes its requests with it.
func TestHangingUpEndsRequests(t *testing.T) {
	h := newHost(t)
	h.trees.slow = make(chan struct{}) // never closed
	h.start(t)
	c := h.connect(t, "demo+x", h.bob)
	var waiting sync.WaitGroup
	waiting.Go(func() {
		if _, err := c.Open(t.Context(), client.OpenRequest{Op: "shell"}); err == nil {
			t.Error("it was opened")
		}
	})
	for h.turns.underWay.count("bob") == 0 {
	}
	c.Close()
	waiting.Wait()
	for h.turns.underWay.count("bob") > 0 {
	}
}

func TestAKeyThatPolicyDropsOpensNothingMore(t *testing.T) {
	h := newHost(t)
	h.start(t)
	c := h.connect(t, "demo", h.alice)
	h.text = strings.ReplaceAll(h.text, line(h.alice), line(newKey(t)))
	if err := h.rules.reload(); err != nil {
		t.Fatal(err)
	}
	_, err := c.Open(t.Context(), client.OpenRequest{Op: "shell"})
	refused(t, err, "no principal has the key "+ssh.FingerprintSHA256(h.alice))
}
