package warden

import (
	"crypto/sha256"
	"encoding/base32"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"forkgate/gate"
	"forkgate/gate/warden/client"
)

// Who approves sees all that will run: nothing is cut off, nothing moves the cursor, turns the line around or looks like something else, and
// no variable runs a program that is not shown.
func TestWhatIsApprovedIsShownWhole(t *testing.T) {
	g := newGranting(t)
	hidden := "echo " + strings.Repeat("harmless ", 30) + " \x1b[2K\r\u202e; rm -rf / # c\u0430t"
	a := g.asks(t, client.OpenRequest{Op: "exec", Command: []byte(hidden), Env: say("LANG=C", "EDITOR=sh -c 'rm -rf /' \x1b[8m")})
	page, err := g.word(t, g.carol, "grants", a.id)
	for _, want := range []string{
		"runs   exec echo " + strings.Repeat("harmless ", 30) + `\x20\x1b[2K\r\u202e; rm -rf / # c\u0430t` + "\n",
		`with   EDITOR=sh -c 'rm -rf /' \x1b[8m` + "\nwith   LANG=C\n", "opens  1 session\nlasts  15m from the approval on\n",
		"\nssh touch@host approve " + a.id + " " + g.code(t, a.id) + " approves that\n",
	} {
		if err != nil || !strings.Contains(page, want) {
			t.Errorf("the page, %v, does not have\n%s\nbut\n%s", err, want, page)
		}
	}
	list, err := g.word(t, g.carol, "grants")
	if err != nil || !strings.Contains(list, "exec echo harmless harmless harmless harmless... ") || strings.ContainsAny(page+list, "\x1b\r\u202e") {
		t.Errorf("the list, %v:\n%s", err, list)
	}
	text, err := g.word(t, g.carol, "challenge", a.id)
	if err != nil || !strings.Contains(text, `\x20\x1b[2K\r\u202e; rm -rf / # c\u0430t`+"\nenv EDITOR=sh") {
		t.Errorf("the challenge, %v:\n%s", err, text)
	}
	a.leave()
	<-a.result
}

// A name is not enough to approve, nor is what somebody has read below another request: the code is of this one, and whoever asks does not see
// it. The control is the code itself.
func TestApprovingTakesHavingRead(t *testing.T) {
	g := newGranting(t)
	harmless, a := g.asks(t, client.OpenRequest{Op: "exec", Command: []byte("make test")}), g.ask(t)
	for name, words := range map[string][]string{
		"the name alone": {"approve", a.id}, "nothing": {"approve", a.id, ""}, "a guess": {"approve", a.id, "aaaaaaaa"},
		"another request's": {"approve", a.id, g.code(t, harmless.id)},
		// Agents whom the rule for approvers covers may fetch the text, to have a person sign it.
		"a sum of the text": {"approve", a.id, sumOf(t, g, a.id)},
	} {
		if _, err := g.word(t, g.carol, words...); !refusedWith(err, "code") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, json := range []bool{false, true} {
		page, err := g.connect(t, "gate", g.bob).Verb(t.Context(), client.VerbRequest{Words: say("grants", a.id), JSON: json})
		if err != nil || !strings.Contains(string(page), "make deploy") || strings.Contains(string(page), g.code(t, a.id)) {
			t.Errorf("the agent that asks sees, %v:\n%s", err, page)
		}
	}
	if _, err := g.word(t, g.dave, "grants", a.id); !refusedWith(err, "nothing of the name") {
		t.Errorf("who may not approve: %v", err)
	}
	if _, err := g.approve(t, a.id); err != nil {
		t.Errorf("control: %v", err)
	}
	if err := <-a.result; err != nil {
		t.Error(err)
	}
	harmless.leave()
	<-harmless.result
}

func sumOf(t *testing.T, g *granting, id string) string {
	t.Helper()
	text, err := g.word(t, g.carol, "challenge", id)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(text))
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:5]))
}

// A terminal's name is a variable of any bytes, which a command can run.
func TestATerminalIsShown(t *testing.T) {
	g := newGranting(t)
	a := g.asks(t, client.OpenRequest{Op: "exec", Command: []byte(`eval "$TERM"`), Terminal: &client.Terminal{Term: []byte("echo hidden\n\x1b[8m")}})
	for word, want := range map[string]string{"grants": "\nwith   TERM=echo hidden\\n\\x1b[8m\n", "challenge": "\nenv TERM=echo hidden\\n\\x1b[8m\n"} {
		if page, err := g.word(t, g.carol, word, a.id); err != nil || !strings.Contains(page, want) {
			t.Errorf("%s, %v, does not show the terminal:\n%s", word, err, page)
		}
	}
	a.leave()
	<-a.result
}

// A grant of several uses opens what was approved, and nothing else of the same agent: that waits anew. The control is the same once more.
func TestAGrantOpensWhatWasShown(t *testing.T) {
	g := newGranting(t)
	g.text = strings.Replace(g.text, "uses = 1", "uses = 3", 1)
	if err := g.rules.reload(); err != nil {
		t.Fatal(err)
	}
	g.granted(t)
	for _, other := range []client.OpenRequest{
		{Op: "exec", Command: []byte("make destroy")}, {Op: "exec", Command: []byte("make deploy"), Env: say("EDITOR=sh")}, {Op: "shell"}, {Op: "sftp"},
		{Op: "exec", Command: []byte("make deploy"), Terminal: &client.Terminal{Term: []byte("xterm")}},
	} {
		if a := g.asks(t, other); a.id == "" {
			t.Errorf("%+v does not wait", other)
		} else {
			a.leave()
			<-a.result
		}
	}
	s, err := g.connect(t, "demo", g.bob).Open(t.Context(), client.OpenRequest{Op: "exec", Command: []byte("make deploy")})
	if err != nil {
		t.Fatalf("control: %v", err)
	}
	s.Close()
}

func TestACommandThatNobodyReads(t *testing.T) {
	g := newGranting(t)
	_, err := g.connect(t, "demo", g.bob).Open(t.Context(), client.OpenRequest{Op: "exec", Command: []byte(strings.Repeat("x", 5000))})
	if !refusedWith(err, "who has to read the command: 5000 bytes are too many, at most 4096") || len(g.granter.book.AllWaiting()) != 0 {
		t.Error(err)
	}
}

// What keeps a caller out is said as well as that somebody may approve: a person mends it. How one approves is not an agent's to hear.
func TestWhoWaitsHearsWhy(t *testing.T) {
	g := newGranting(t)
	a := g.ask(t)
	want := "forkgate: demo is a grand (production) repository; agents work in forks\nhint: ssh demo+NAME@host\n" +
		"forkgate: demo needs a person's approval; request " + a.id + " waits 20s for it\nhint: tell " + a.id + " to a person who may approve it\n"
	if a.told != want {
		t.Errorf("it is told\n%swant\n%s", a.told, want)
	}
	told := []string{a.told}
	for _, words := range [][]string{{"approve", a.id}, {"approve", a.id, "aaaaaaaa"}, {"help", "approve"}} {
		page, err := g.word(t, g.bob, words...)
		told = append(told, page)
		if err != nil {
			told = append(told, err.Error())
		}
	}
	if slices.ContainsFunc(told, func(s string) bool {
		return strings.Contains(s, "touch@host") || strings.Contains(s, "ssh-keygen") || strings.Contains(s, "gate@host challenge")
	}) {
		t.Errorf("an agent is told the way: %q", told)
	}
	if page, err := g.word(t, g.carol, "help", "approve"); err != nil || !strings.Contains(page, "touch@host") || !strings.Contains(page, "ssh-keygen") {
		t.Errorf("control: a person is told %q, %v", page, err)
	}
	a.leave()
	<-a.result
}

// What has been approved is no secret to who approved it, and to who asked; to others it is nothing.
func TestApprovingTwice(t *testing.T) {
	g := newGranting(t)
	id, _ := g.granted(t)
	for name, key := range map[string]ssh.PublicKey{"carol": g.carol, "bob": g.bob} {
		if page, err := g.word(t, key, "grants", id); err != nil || !strings.Contains(page, "granted") {
			t.Errorf("%s sees %q, %v", name, page, err)
		}
		for _, words := range [][]string{{"approve", id, "qh5mzl2c"}, {"approve", id}, {"challenge", id}} {
			_, err := g.word(t, key, words...)
			if r, ok := gate.AsRefusal(err); !ok || r.Reason != "request "+id+" is granted already, by carol" || !strings.Contains(r.Hint, "revoke "+id) {
				t.Errorf("%s hears of %q: %v", name, words, err)
			}
		}
	}
	const nothing = "; it may have ended"
	if _, err := g.word(t, g.dave, "approve", id, "qh5mzl2c"); !refusedWith(err, nothing) {
		t.Errorf("dave hears of it: %v", err)
	}
	if _, err := g.word(t, g.carol, "revoke", id); err != nil {
		t.Fatal(err)
	}
	if _, err := g.word(t, g.carol, "approve", id, "qh5mzl2c"); !refusedWith(err, nothing) {
		t.Errorf("of what has ended carol hears %v", err)
	}
}
