package warden

import (
	"strings"
	"testing"
	"time"

	"forkgate/gate"
	"forkgate/gate/enrolled"
	"forkgate/gate/warden/client"
	"forkgate/nsjail/docker"
	"forkgate/tests/keys"
	"forkgate/tests/need"
)

func TestASessionWaitsAndIsApproved(t *testing.T) {
	g := newGranting(t)
	a := g.ask(t)
	page, err := g.word(t, g.carol, "grants")
	if err != nil || !strings.Contains(page, a.id) || !strings.Contains(page, "waiting") || !strings.Contains(page, "make deploy") {
		t.Errorf("carol sees %q, %v", page, err)
	}
	page, err = g.approve(t, a.id)
	if err != nil || !strings.Contains(page, "agent bob may enter demo, until ") || !strings.Contains(page, ", 1 session: exec make deploy\n") {
		t.Errorf("%q, %v", page, err)
	}
	if err := <-a.result; err != nil {
		t.Fatal(err)
	}
	ran := g.pods.ran()
	if len(ran) != 1 || ran[0].Linger != 0 {
		t.Errorf("it ran as %+v", ran)
	}
	for _, line := range []string{
		"grant of bob on demo: waits for approval, by rule \"at-demo\"", "grant of carol on demo: approved, the security key hers was touched for a connection of class 4: exec make deploy",
		"grant of bob on demo: opens session 1 of 1, approved by carol", "permit bob exec demo", "permit carol approve demo",
	} {
		g.logged(t, line)
	}
	if _, err := g.word(t, g.carol, "approve", a.id); !refusedWith(err, "is granted already") {
		t.Errorf("a second time: %v", err)
	}
}

// A grant is for the session that asked: where policy refuses that after all, no other finds it open.
func TestAGrantOfARefusedSessionIsNobodys(t *testing.T) {
	g := newGranting(t)
	rule := g.text
	several := strings.Replace(rule, "uses = 1", "uses = 3", 1)
	reload := func(text string) {
		t.Helper()
		g.text = text
		if err := g.rules.reload(); err != nil {
			t.Fatal(err)
		}
	}
	reload(several)
	a := g.ask(t)
	reload(strings.Replace(several, `caller.kind == "agent" && target.repo == "demo" && target.grand`, `caller.principal == "dave"`, 1))
	if _, err := g.approve(t, a.id); err != nil {
		t.Fatal(err)
	}
	if err := <-a.result; err == nil {
		t.Fatal("the session was let in by a rule that is gone")
	}
	reload(several)
	for _, grant := range g.granter.book.Grants() {
		if grant.Ending == "" {
			t.Errorf("it goes on: %+v", grant)
		}
	}
	if again := g.ask(t); again.id == "" || len(g.pods.ran()) != 0 {
		t.Errorf("the next session did not wait: %+v, %v", again, g.pods.ran())
	}
}

// Policy lets both of these approve; what they come with does not.
func TestWhoIsNoApprover(t *testing.T) {
	g := newGranting(t)
	a := g.ask(t)
	code := g.code(t, a.id)
	for name, change := range map[string]func(*gate.Caller){
		"an agent":             func(w *gate.Caller) { byTouch(w); w.Kind = gate.Agent },
		"class 3":              func(w *gate.Caller) { byTouch(w); w.Class = gate.ClassAttested },
		"class 2":              func(w *gate.Caller) { byTouch(w); w.Class = gate.ClassKey },
		"a key that is marked": func(w *gate.Caller) { byTouch(w); w.Enrolled = false },
	} {
		g.callers.Store("carol", change)
		if _, err := g.word(t, g.carol, "approve", a.id, code); !refusedWith(err, "approving takes a ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	g.callers.Store("bob", byTouch)
	if _, err := g.word(t, g.bob, "approve", a.id, code); !refusedWith(err, "what bob asks somebody else approves") {
		t.Errorf("of one's own: %v", err)
	}
	g.logged(t, "grant of bob on demo: not approved: what bob asks")
	select {
	case err := <-a.result:
		t.Fatalf("it does not wait any more: %v", err)
	default:
	}
	g.callers.Store("carol", byTouch)
	if _, err := g.word(t, g.carol, "approve", a.id, code); err != nil {
		t.Errorf("control: %v", err)
	}
	<-a.result
}

// Who knows a name, or guesses one, and may not approve, hears the same either way.
func TestAThiefOfNames(t *testing.T) {
	g := newGranting(t)
	g.callers.Store("dave", byTouch)
	a := g.ask(t)
	for _, verb := range []string{"approve", "challenge", "revoke"} {
		_, known := g.word(t, g.dave, verb, a.id)
		_, guessed := g.word(t, g.dave, verb, "aaaaaaaaaaaa")
		one, _ := gate.AsRefusal(known)
		other, _ := gate.AsRefusal(guessed)
		if one == nil || other == nil || strings.ReplaceAll(one.Reason, a.id, "aaaaaaaaaaaa") != other.Reason || one.Hint != other.Hint {
			t.Errorf("%s: %v and %v", verb, known, guessed)
		}
	}
	if page, err := g.word(t, g.dave, "grants"); err != nil || strings.Contains(page, a.id) {
		t.Errorf("dave sees %q, %v", page, err)
	}
	if _, err := g.word(t, g.bob, "revoke", a.id); err != nil { // whose it is may give it up
		t.Errorf("control: %v", err)
	}
	if err := <-a.result; !refusedWith(err, "was turned down") {
		t.Errorf("turned down: %v", err)
	}
}

func TestApprovingBySignature(t *testing.T) {
	g := newGranting(t)
	key, foreign, stranger := keys.NewSecurityKey(t), keys.NewSecurityKey(t), keys.NewSecurityKey(t)
	g.enrolled[string(key.PublicKey().Marshal())] = enrolled.Key{Name: "bobs", Principal: "bob"}
	g.enrolled[string(foreign.PublicKey().Marshal())] = enrolled.Key{Name: "carols", Principal: "carol"}
	other, a := g.ask(t), g.ask(t)
	text, err := g.word(t, g.bob, "challenge", a.id)
	if err != nil || !strings.HasPrefix(text, "forkgate challenge 2\nhost host\ncaller bob\nkind agent\nrepo demo\nop exec make deploy\nsessions 1\nlasts 15m\nexpires ") {
		t.Fatalf("the challenge is %q, %v", text, err)
	}
	for _, no := range []struct {
		name  string
		key   *keys.SecurityKey
		flags byte
		text  string
		why   string
	}{
		{"touched, not verified", key, keys.Touched, text, "has not verified by whom"},
		{"not touched", key, keys.Verified, text, "the signature is not good"},
		{"another's key", foreign, keys.Touched | keys.Verified, text, "is no enrolled security key of bob"},
		{"nobody's key", stranger, keys.Touched | keys.Verified, text, "is no enrolled security key of bob"},
		{"another repository", key, keys.Touched | keys.Verified, strings.Replace(text, "demo", "shop", 1), "the signature is not good"},
		{"another command", key, keys.Touched | keys.Verified, strings.Replace(text, "make deploy", "make test", 1), "the signature is not good"},
		{"a variable less", key, keys.Touched | keys.Verified, strings.Replace(text, "make deploy", "make deploy\nenv EDITOR=vi", 1), "the signature is not good"},
		{"more sessions", key, keys.Touched | keys.Verified, strings.Replace(text, "sessions 1", "sessions 9", 1), "the signature is not good"},
		{"a longer time", key, keys.Touched | keys.Verified, strings.Replace(text, "15m", "24h", 1), "the signature is not good"},
	} {
		no.key.Flags = no.flags
		if _, err := g.word(t, g.bob, "approve", a.id, g.signature(t, no.key, no.text)); !refusedWith(err, no.why) || strings.Count(err.Error(), "not good") > 1 {
			t.Errorf("%s: %v", no.name, err)
		}
	}
	key.Flags = keys.Touched | keys.Verified
	signed := g.signature(t, key, text)
	if _, err := g.word(t, g.bob, "approve", other.id, signed); !refusedWith(err, "the signature is not good") {
		t.Errorf("for another request: %v", err)
	}
	if _, err := g.word(t, g.bob, "approve", a.id, signed); err != nil {
		t.Fatal(err)
	}
	if err := <-a.result; err != nil {
		t.Error(err)
	}
	if _, err := g.word(t, g.bob, "approve", a.id, signed); !refusedWith(err, "is granted already") {
		t.Errorf("a second time: %v", err)
	}
	other.leave()
	<-other.result
}

// A client that gives up has nothing waiting for it, though its connection goes on.
func TestWhoGivesUpWaitsForNothing(t *testing.T) {
	g := newGranting(t)
	a := g.ask(t)
	a.leave()
	if err := <-a.result; err == nil {
		t.Error("it got in")
	}
	need.Eventually(t, "nothing waits", func() bool { return len(g.granter.book.AllWaiting()) == 0 })
	if _, err := g.word(t, g.carol, "approve", a.id); !refusedWith(err, "nothing of the name") {
		t.Errorf("it can be approved: %v", err)
	}
	need.Eventually(t, "the log says so", func() bool { return g.log.has("grant of bob on demo: its client has gone") })
}

func TestRevokingEndsTheSession(t *testing.T) {
	g := newGranting(t)
	id, session := g.granted(t)
	need.Eventually(t, "it runs", func() bool { return g.lives(session) })
	page, err := g.word(t, g.carol, "revoke", id)
	if err != nil || !strings.Contains(page, id+" is ended") {
		t.Errorf("%q, %v", page, err)
	}
	if g.lives(session) {
		t.Error("its session lives")
	}
	if left := g.shelf.all(); len(left) != 0 {
		t.Errorf("the book has %q", left)
	}
	g.logged(t, "ends: carol took it back; sessions to be ended: "+session)
}

// A grant that policy, as it is now, would let nobody give ends as well, with a session open or without.
func TestAPolicyThatChangesEndsGrants(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(text string) string
		why    string // empty: it goes on
	}{
		{"nothing may be approved any more", func(s string) string {
			return strings.Replace(s, `caller.kind == "agent" && target.repo == "demo" && target.grand`+"\n  wait", `caller.principal == "dave"`+"\n  wait", 1)
		}, "access revoked: "},
		{"a forbid comes", func(s string) string {
			return s + "forbid \"closed\" {\n  when = target.grand && op == \"exec\"\n  reason = \"demo is closed\"\n}\n"
		}, "access revoked: demo is closed"},
		{"who asked is gone", func(s string) string { return strings.ReplaceAll(s, `"bob"`, `"bobby"`) }, "access revoked: bob is no principal of the policy any more"},
		{"something else changes", func(s string) string {
			return s + "forbid \"others\" {\n  when = target.grand && op == \"shell\"\n  reason = \"no\"\n}\n"
		}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := newGranting(t)
			id, session := g.granted(t)
			need.Eventually(t, "it runs", func() bool { return g.lives(session) })
			g.becomes(t, test.change(g.text))
			need.Eventually(t, "it is over", func() bool { return test.why == "" || len(g.granter.book.Grants()) == 0 })
			if _, there := g.granter.book.Grant(id); there != (test.why == "") || g.lives(session) != there {
				t.Errorf("it is there: %v, and its session lives: %v", there, g.lives(session))
			}
			if test.why != "" {
				g.logged(t, "ends: "+test.why)
			}
		})
	}
}

func TestWhatIsMadeUnderAGrant(t *testing.T) {
	g := newGranting(t)
	g.daemon.makes(docker.Thing{ID: "old", Name: "db", Running: true})
	id, _ := g.granted(t)
	g.daemon.makes(docker.Thing{ID: "new", Name: "miner", Running: true})
	g.daemon.change(func() {
		g.daemon.has.Images, g.daemon.has.Volumes = []docker.Thing{{ID: "sha256:1", Name: "xmr:1"}}, []docker.Thing{{ID: "v"}}
	})
	page, err := g.word(t, g.carol, "revoke", id)
	if err != nil || !strings.Contains(page, "containers made meanwhile: miner\nimages made meanwhile: xmr:1\nvolumes made meanwhile: v\n") {
		t.Errorf("%q, %v", page, err)
	}
	g.logged(t, "made meanwhile: containers miner; images xmr:1; volumes v")
	if len(g.daemon.stopped) != 0 {
		t.Errorf("policy does not say so, and these are stopped: %q", g.daemon.stopped)
	}

	g.text = strings.Replace(g.text, `  uses = 1`, `  stop_containers = true`, 1)
	if err := g.rules.reload(); err != nil {
		t.Fatal(err)
	}
	id, _ = g.granted(t)
	g.daemon.makes(docker.Thing{ID: "newer", Running: true}, docker.Thing{ID: "done"})
	if _, err := g.word(t, g.carol, "revoke", id); err != nil {
		t.Fatal(err)
	}
	if len(g.daemon.stopped) != 1 || g.daemon.stopped[0] != "newer" {
		t.Errorf("these are stopped: %q", g.daemon.stopped)
	}

	g.daemon.change(func() { g.daemon.fail = errDaemon })
	id, session := g.granted(t)
	if _, err := g.word(t, g.carol, "revoke", id); err != nil || g.lives(session) {
		t.Errorf("with a daemon that does not answer: %v", err)
	}
	g.logged(t, "what it leaves behind cannot be listed")
}

// What the keeper does each second: a grant ends with its time, and with its last session.
func TestGrantsEndByThemselves(t *testing.T) {
	g := newGranting(t)
	expires, first := g.granted(t)
	used, second := g.granted(t)
	need.Eventually(t, "both run", func() bool { return g.lives(first) && g.lives(second) })
	g.granter.settle(t.Context())
	if len(g.granter.book.Grants()) != 2 {
		t.Fatal("they end at once")
	}
	g.live(second, false) // its command has ended
	g.granter.settle(t.Context())
	if _, there := g.granter.book.Grant(used); there {
		t.Error("a grant outlives its one session")
	}
	g.granter.now = func() time.Time { return time.Now().Add(16 * time.Minute) }
	g.granter.settle(t.Context())
	if _, there := g.granter.book.Grant(expires); there || g.lives(first) {
		t.Errorf("after its time the grant is there: %v, its session lives: %v", there, g.lives(first))
	}
	g.logged(t, "ends: it expired; sessions to be ended: "+first)
	g.logged(t, "ends: it is used up; sessions to be ended: none")
}

// The warden is killed while a grant is being ended, or lives past its time: the next one ends its sessions before anybody comes in.
func TestTheNextWardenEndsWhatHasEnded(t *testing.T) {
	g := newGranting(t)
	ending, first := g.granted(t)
	_, second := g.granted(t)
	need.Eventually(t, "both run", func() bool { return g.lives(first) && g.lives(second) })
	if err := g.granter.book.End(ending, "carol took it back"); err != nil {
		t.Fatal(err)
	}
	g.restart(t)
	g.granter.settle(t.Context())
	if g.lives(first) || !g.lives(second) {
		t.Errorf("the one that was ended lives: %v, the other: %v", g.lives(first), g.lives(second))
	}
	g.restart(t)
	g.granter.now = func() time.Time { return time.Now().Add(16 * time.Minute) }
	g.granter.settle(t.Context())
	if left := g.shelf.all(); g.lives(second) || len(left) != 0 {
		t.Errorf("one that has expired lives: %v; the book has %q", g.lives(second), left)
	}
}

// The operator approves by being root, and sees and ends everything.
func TestTheOperatorApproves(t *testing.T) {
	g := newGranting(t)
	a := g.ask(t)
	op := dial(t, g.operator)
	if page, err := op.OperatorVerb(t.Context(), client.VerbRequest{Words: say("grants", "--json")}); err != nil || !strings.Contains(string(page), a.id) {
		t.Errorf("%s, %v", page, err)
	}
	if _, err := op.OperatorVerb(t.Context(), client.VerbRequest{Words: say("approve", a.id)}); !refusedWith(err, "has read what for") {
		t.Errorf("without a look: %v", err)
	}
	page, err := op.OperatorVerb(t.Context(), client.VerbRequest{Words: say("grants", a.id)})
	if want := "\nforkgate approve " + a.id + " " + g.code(t, a.id) + " approves that\n"; err != nil || !strings.Contains(string(page), want) {
		t.Errorf("%s, %v", page, err)
	}
	if _, err := op.OperatorVerb(t.Context(), client.VerbRequest{Words: say("approve", a.id, g.code(t, a.id))}); err != nil {
		t.Fatal(err)
	}
	if err := <-a.result; err != nil {
		t.Fatal(err)
	}
	if _, err := op.OperatorVerb(t.Context(), client.VerbRequest{Words: say("revoke", a.id)}); err != nil {
		t.Error(err)
	}
}

// Nothing can be approved on a host whose policy has no approve rule, or without a book.
func TestNothingIsApprovableByDefault(t *testing.T) {
	h := newHost(t)
	h.start(t)
	_, err := h.connect(t, "demo", h.bob).Open(t.Context(), client.OpenRequest{Op: "shell"})
	refused(t, err, "demo is a grand (production) repository; agents work in forks")
	for _, verb := range []string{"approve", "challenge", "revoke"} {
		if _, err := h.connect(t, "gate", h.bob).Verb(t.Context(), client.VerbRequest{Words: say(verb, "x")}); !refusedWith(err, "nothing of the name") {
			t.Errorf("%s: %v", verb, err)
		}
	}
}
