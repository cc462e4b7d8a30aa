package warden

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"forkgate/gate"
	"forkgate/gate/warden/client"
	"forkgate/tests/keys"
	"forkgate/tests/need"
)

// sitting is a session that somebody has open, and what its door is told.
type sitting struct {
	id    string
	door  *client.Client
	heard chan client.Notice
}

func (h *host) sit(t *testing.T, user string, key ssh.PublicKey) sitting {
	t.Helper()
	c := h.connect(t, user, key)
	s := sitting{door: c, heard: make(chan client.Notice, 8)}
	c.Notify(func(n client.Notice) { s.heard <- n })
	opened, err := c.Open(t.Context(), client.OpenRequest{Op: "shell"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { opened.Close() })
	s.id = opened.ID
	return s
}

// becomes has another policy come into force.
func (h *host) becomes(t *testing.T, policy string) {
	t.Helper()
	h.text = policy
	if err := h.rules.reload(); err != nil {
		t.Fatal(err)
	}
	h.reconsider(t.Context())
}

// alive lists which of the sittings live, as the kernel knows.
func (h *host) alive(all ...sitting) (living []bool) {
	h.pods.mu.Lock()
	defer h.pods.mu.Unlock()
	for _, s := range all {
		_, lives := h.pods.alive[s.id]
		living = append(living, lives)
	}
	return living
}

// Whatever a policy changes of who may be where, who is there and may not ends, hears why, and is in the record; nobody else notices.
func TestAPolicyThatChangesEndsSessions(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(text string) string
		why    string // alice's, in production, ends; empty: it goes on
	}{
		{"a permit is gone", func(s string) string {
			return strings.Replace(s, `contains(["shell", "exec", "sftp"], op)`+"\n}\nforbid", `op == "sftp"`+"\n}\nforbid", 1)
		}, "no rule permits"},
		{"a forbid comes", func(s string) string {
			return s + "forbid \"closed\" {\n  when = target.grand && op == \"shell\"\n  reason = \"demo is closed\"\n}\n"
		}, "demo is closed"},
		{"she is vouched no more", func(s string) string { return strings.Replace(s, "vouched = true", "vouched = false", 1) }, "agents work in forks"},
		{"her key is gone", func(s string) string {
			a := strings.Index(s, `principal "alice"`)
			at := a + strings.Index(s[a:], "ssh-ed25519")
			other := strings.Index(s, `principal "bob"`)
			bobs := s[other+strings.Index(s[other:], "ssh-ed25519"):]
			return s[:at] + flipped(bobs[:80]) + s[at+80:]
		}, "no principal has the key"},
		{"something else changes", func(s string) string {
			return s + "forbid \"others\" {\n  when = target.grand && op == \"shell\" && caller.principal == \"bob\"\n  reason = \"no\"\n}\n"
		}, ""},
		{"nothing changes", func(s string) string { return s }, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := newHost(t)
			h.start(t)
			hers, his := h.sit(t, "demo", h.alice), h.sit(t, "demo+x", h.bob)
			h.becomes(t, test.change(h.text))
			if want := []bool{test.why == "", true}; !slices.Equal(h.alive(hers, his), want) {
				t.Fatalf("of hers and his live %v, not %v: %q", h.alive(hers, his), want, h.log.all())
			}
			if test.why == "" {
				return
			}
			if n := <-hers.heard; n.Session != hers.id || !strings.HasPrefix(n.Text, "access revoked: ") || !strings.Contains(n.Text, test.why) {
				t.Errorf("she hears %+v", n)
			}
			h.pods.die(his.id)
			h.book().look(h.pods.lives)
			for _, line := range []string{"revoked alice on demo: ", "ended alice on demo: false 0  access revoked: ", "ended bob on demo:x: false 0  "} {
				if !slices.ContainsFunc(h.log.all(), func(l string) bool { return strings.HasPrefix(l, line) }) {
					t.Errorf("the log lacks %q: %q", line, h.log.all())
				}
			}
			if left, err := os.ReadDir(h.book().dir); len(left) > 0 || err != nil {
				t.Errorf("still written down: %v, %v", left, err)
			}
		})
	}
}

// book is the book of sessions.
func (h *host) book() *sessions { return h.Warden.pods.sessions }

// flipped is another key of the same length as the one that line begins with.
func flipped(line string) string {
	return line[:60] + strings.Map(func(r rune) rune {
		if r == 'A' {
			return 'B'
		}
		return 'A'
	}, line[60:80])
}

// A policy that does not load ends nobody's session: the one before is in force.
func TestAPolicyThatDoesNotLoadEndsNoSession(t *testing.T) {
	h := newHost(t)
	h.start(t)
	hers := h.sit(t, "demo", h.alice)
	h.text = ""
	if err := h.rules.reload(); err == nil {
		t.Fatal("it loads")
	}
	h.reconsider(t.Context())
	if !h.alive(hers)[0] {
		t.Error("it has ended")
	}
}

// What a session under way outlives is its certificate's time; not its authority.
func TestCertificatesThatEndEndNoSession(t *testing.T) {
	for _, dropped := range []bool{false, true} {
		h, ca, late := certified(t)
		c, connection := h.arrives(t)
		if _, err := c.Assert(t.Context(), claimOf(userCert(t, ca, "alice@corp"), connection.SessionID, "demo+hers")); err != nil {
			t.Fatal(err)
		}
		opened, err := c.Open(t.Context(), client.OpenRequest{Op: "shell"})
		if err != nil {
			t.Fatal(err)
		}
		defer opened.Close()
		late.Store(true)
		text := h.text
		if dropped {
			text = text[:strings.Index(text, "authority")]
		}
		h.becomes(t, text)
		if alive := h.alive(sitting{id: opened.ID})[0]; alive == dropped {
			t.Errorf("authority dropped %v: it lives %v", dropped, alive)
		}
	}
}

// A session that begins by a policy which is not in force any more when it runs is not there to be seen by who put the new one in force.
func TestAPolicyThatChangesWhileASessionBegins(t *testing.T) {
	h := newHost(t)
	h.start(t)
	h.pods.hold = make(chan struct{})
	c := h.connect(t, "demo", h.alice)
	result := make(chan error)
	go func() {
		s, err := c.Open(t.Context(), client.OpenRequest{Op: "shell"})
		if err == nil {
			s.Close()
		}
		result <- err
	}()
	h.waitsFor(t, "permit alice shell demo")
	h.becomes(t, h.text+"forbid \"closed\" {\n  when = target.grand && op == \"shell\"\n  reason = \"demo is closed\"\n}\n")
	close(h.pods.hold)
	refused(t, <-result, "demo is closed")
	demo, _ := h.trees.Find("demo", "")
	if living, _ := h.pods.living(demo.GUID); len(living) > 0 {
		t.Errorf("it lives: %v", living)
	}
}

// The next warden knows of the sessions as much as the one that let them in: it can ask policy about them, and sees them end. What runs and
// is nobody's it ends.
func TestSessionsOutliveTheWarden(t *testing.T) {
	h := newHost(t)
	h.start(t)
	hers, his, gone := h.sit(t, "demo", h.alice), h.sit(t, "demo+x", h.bob), h.sit(t, "demo+y", h.bob)
	h.pods.die(gone.id)
	stray := sitting{id: "stray"}
	tree, _ := h.trees.Find("demo", "")
	h.pods.mu.Lock()
	h.pods.alive["stray"] = tree.GUID
	h.pods.mu.Unlock()
	half := filepath.Join(h.book().dir, "other"+half)
	if err := os.WriteFile(half, []byte(`{"id":`), 0o600); err != nil {
		t.Fatal(err)
	}

	next := newPods(h.pods, h.rules, h.Warden.pods.runDir, slog.New(slog.DiscardHandler))
	next.recordings = h.Warden.pods.recordings
	next.trees, next.exec, next.lives, next.living, next.kill = h.trees, h.pods.exec, h.pods.lives, h.pods.living, h.pods.killSession
	warden := newWarden(h.keys, h.rules, h.log, h.trees, next, h.enrolled, slog.New(slog.DiscardHandler))
	if err := warden.settleSessions(t.Context()); err != nil {
		t.Fatal(err)
	}
	if want := []bool{true, true, false, false}; !slices.Equal(h.alive(hers, his, gone, stray), want) {
		t.Errorf("alive: %v", h.alive(hers, his, gone, stray))
	}
	if !h.log.has("ended bob on demo:y: false 0  ") {
		t.Errorf("the log lacks an end: %q", h.log.all())
	}
	if _, err := os.Stat(half); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("half a file is left: %v", err)
	}
	h.text = strings.Replace(h.text, "vouched = true", "vouched = false", 1)
	if err := h.rules.reload(); err != nil {
		t.Fatal(err)
	}
	warden.reconsider(t.Context())
	if want := []bool{false, true}; !slices.Equal(h.alive(hers, his), want) {
		t.Errorf("of hers and his live %v: %q", h.alive(hers, his), h.log.all())
	}
	if !h.log.has("revoked alice on demo: demo is a grand (production) repository; agents work in forks") {
		t.Errorf("the log has %q", h.log.all())
	}
}

// A security key that is removed takes with it the sessions that took its touch.
func TestAKeyThatIsRemovedEndsItsSessions(t *testing.T) {
	h, w := attested(t)
	h.more(t, wantsTouch)
	maker, key := keys.NewMaker(t), keys.NewSecurityKey(t)
	operator := dial(t, h.operator)
	if _, err := operator.KeyEnroll(t.Context(), enrolment(key, maker)); err != nil {
		t.Fatal(err)
	}
	c, connection, _ := h.comes(t, w, statement(), "demo")
	if err := c.Touch(t.Context(), client.TouchRequest{Key: key.PublicKey().Marshal(), Signature: keys.Userauth(t, key, connection.SessionID, "demo")}); err != nil {
		t.Fatal(err)
	}
	opened, err := c.Open(t.Context(), client.OpenRequest{Op: "exec", Command: []byte("id"), Alone: true})
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	h.reconsider(t.Context())
	if !h.alive(sitting{id: opened.ID})[0] {
		t.Fatal("it has ended as long as the key counts")
	}
	if err := operator.KeyRemove(t.Context(), "yubikey"); err != nil {
		t.Fatal(err)
	}
	if h.alive(sitting{id: opened.ID})[0] || !h.log.has("revoked alice on demo: touch your security key") {
		t.Errorf("it lives, or the log lacks why: %q", h.log.all())
	}
}

// What cannot be ended at once is ended later, by the same warden or the next.
func TestASessionThatDoesNotDie(t *testing.T) {
	h := newHost(t)
	h.start(t)
	hers := h.sit(t, "demo", h.alice)
	h.pods.stays = true
	h.becomes(t, strings.Replace(h.text, "vouched = true", "vouched = false", 1))
	if !h.alive(hers)[0] {
		t.Fatal("it has died")
	}
	h.pods.mu.Lock()
	h.pods.stays = false
	h.pods.mu.Unlock()
	h.lookAfterSessions(t.Context())
	if h.alive(hers)[0] {
		t.Error("nothing has tried again")
	}
}

// Nothing of who is refused is written down, and nobody enters of whom nothing is.
func TestOnlyWhoEntersIsWrittenDown(t *testing.T) {
	h := newHost(t)
	h.start(t)
	if _, err := h.connect(t, "demo", h.bob).Open(t.Context(), client.OpenRequest{Op: "shell"}); err == nil {
		t.Fatal("an agent is in production")
	}
	h.book().mu.Lock()
	known := len(h.book().all)
	h.book().mu.Unlock()
	if left, err := os.ReadDir(h.book().dir); len(left) > 0 || err != nil || known > 0 {
		t.Errorf("%d known, written down: %v, %v", known, left, err)
	}
	tree, _ := h.trees.Find("demo", "")
	where := forks{trees: h.trees}.target(tree)
	if _, err := h.Warden.pods.Run(t.Context(), "unheard-of", gate.Caller{Principal: "alice"}, where, gate.Work{}); err == nil || !strings.Contains(err.Error(), "nothing is known of session") {
		t.Errorf("%v", err)
	}
	if err := os.RemoveAll(h.book().dir); err != nil {
		t.Fatal(err)
	}
	if _, err := h.connect(t, "demo", h.alice).Open(t.Context(), client.OpenRequest{Op: "shell"}); err == nil {
		t.Error("somebody is in, and not written down")
	}
	if ran := h.pods.ran(); len(ran) > 0 {
		t.Errorf("it ran: %v", ran)
	}
}

func (h *host) waitsFor(t *testing.T, line string) {
	t.Helper()
	need.Eventually(t, "the log has "+line, func() bool { return h.log.has(line) })
}

// Who cannot be ended at once hears why once, however often it is tried.
func TestWhyASessionEndsIsToldOnce(t *testing.T) {
	h := newHost(t)
	h.start(t)
	hers := h.sit(t, "demo", h.alice)
	h.book().mu.Lock()
	by := h.book().all[hers.id].by
	h.book().mu.Unlock()
	h.pods.mu.Lock()
	h.pods.stays = true
	h.pods.mu.Unlock()
	h.becomes(t, strings.Replace(h.text, "vouched = true", "vouched = false", 1))
	for range 3 {
		h.lookAfterSessions(t.Context())
	}
	<-hers.heard
	h.pods.mu.Lock()
	h.pods.stays = false
	h.pods.mu.Unlock()
	h.lookAfterSessions(t.Context())
	if h.alive(hers)[0] {
		t.Error("it lives")
	}
	by.saying.Wait()
	if _, err := hers.door.HostKeys(t.Context()); err != nil { // its answer comes behind what was said before
		t.Fatal(err)
	}
	if len(hers.heard) > 0 {
		t.Errorf("again: %+v", <-hers.heard)
	}
}
