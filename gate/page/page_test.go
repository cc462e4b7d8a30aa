package page

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"forkgate/gate/archive"
	"forkgate/gate/audit"
	"forkgate/gate/tape"
)

// evil is text that would rather be something else.
const evil = "<b>x</b>\x1b]0;owned\x07\u202e\xff"

// shelf is a directory of recordings, and a server that shows it.
func shelf(t *testing.T) (dir string, s *Server) {
	t.Helper()
	dir = t.TempDir()
	s = New(Config{
		List: func(skip func(string, error)) ([]archive.Recording, error) { return archive.List(dir, skip) },
		Open: func(r archive.Recording) (io.ReadCloser, error) { return os.Open(r.File) },
		Read: func(from io.Reader) (*tape.Reader, error) { return tape.NewReader(from) },
		Live: func(session string) bool { return session == "runs" },
		Log:  audit.NewIndex(filepath.Join(dir, "audit")),
	})
	if err := os.Mkdir(filepath.Join(dir, "audit"), 0o700); err != nil {
		t.Fatal(err)
	}
	return dir, s
}

// put puts a recording on the shelf: its lines behind the header.
func put(t *testing.T, dir string, h tape.Header, lines string) {
	t.Helper()
	h.Forkgate.Begun = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	head, _, err := h.Begin(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, h.Forkgate.Session+archive.Extension), append(head, lines...), 0o600); err != nil {
		t.Fatal(err)
	}
}

// ask asks as the page does, but for what change does.
func ask(s *Server, path string, change func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Host = "127.0.0.1:8400"
	r.AddCookie(&http.Cookie{Name: s.name, Value: s.cookie})
	r.Header.Set(KeyHeader, s.key)
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

// Nobody is let in but who has the secrets, by a name of loopback, to read. The first rows are the control.
func TestWhoIsLetIn(t *testing.T) {
	dir, s := shelf(t)
	put(t, dir, tape.Header{Forkgate: tape.About{Session: "one"}}, "")
	host := func(name string) func(*http.Request) { return func(r *http.Request) { r.Host = name } }
	method := func(name string) func(*http.Request) { return func(r *http.Request) { r.Method = name } }
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	for i, test := range []struct {
		path   string
		change func(*http.Request)
		want   int
	}{
		{"/", nil, 200}, {"/app.js", nil, 200}, {"/api/recordings", nil, 200}, {"/api/recordings/one", nil, 200}, {"/cast/one", nil, 200},
		{"/", method(http.MethodHead), 200}, {"/", host("localhost"), 200}, {"/", host("[::1]:1"), 200}, {"/", host("127.0.0.1"), 200},

		{"/api/recordings", header("Cookie", ""), 403}, {"/", header("Cookie", s.name+"="), 403}, {"/app.js", header("Cookie", s.name+"=x"+s.cookie), 403},
		{"/?token=x", header("Cookie", ""), 403}, {"/?token=", header("Cookie", ""), 403}, {"/?token=" + s.cookie, header("Cookie", ""), 403},
		{"/api/recordings?token=" + s.token, header("Cookie", ""), 403},
		{"/api/recordings", header(KeyHeader, ""), 403}, {"/api/recordings/one", header(KeyHeader, s.cookie), 403}, {"/cast/one", header(KeyHeader, s.token), 403},
		{"/", host("evil.example"), 403}, {"/", host("evil.example:8400"), 403}, {"/", host("127.0.0.1.evil.example"), 403}, {"/", host("192.0.2.1"), 403}, {"/", host(""), 403},
		{"/?token=" + s.token, host("evil.example"), 403},
		{"/api/recordings", method(http.MethodPost), 405}, {"/", method(http.MethodDelete), 405}, {"/", method("OPTIONS"), 405},

		{"/cast/two", nil, 404}, {"/cast/on", nil, 404}, {"/cast/one.cast", nil, 404}, {"/cast/..%2fone", nil, 404}, {"/cast/%2e%2e%2f%2e%2e%2fetc%2fpasswd", nil, 404},
		{"/api/recordings/..%2f..%2fetc%2fpasswd", nil, 404}, {"/assets/app.js", nil, 404}, {"/player/fetch", nil, 404}, {"/page.go", nil, 404}, {"/..%2fpage.go", nil, 404},
	} {
		w := ask(s, test.path, test.change)
		if w.Code != test.want {
			t.Errorf("%d, %s: %d, not %d: %s", i, test.path, w.Code, test.want, w.Body)
		}
		confined(t, test.path, w.Header())
	}
	if w := ask(new(Server), "/", nil); w.Code != 403 {
		t.Errorf("the zero value: %d", w.Code)
	}
}

// confined sees that a browser gets to know nothing else from an answer, and does nothing else with it.
func confined(t *testing.T, path string, h http.Header) {
	t.Helper()
	for name, want := range map[string]string{
		"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store", "Cross-Origin-Resource-Policy": "same-origin",
	} {
		if got := h.Get(name); got != want {
			t.Errorf("%s: %s %q", path, name, got)
		}
	}
	policy := h.Get("Content-Security-Policy")
	if !strings.HasPrefix(policy, "default-src 'none'; ") || !strings.HasSuffix(policy, "frame-ancestors 'none'") ||
		strings.Contains(policy, "unsafe-inline") || strings.Contains(policy, "'unsafe-eval'") {
		t.Errorf("%s: %s", path, policy)
	}
}

// The address gives a cookie and a key, once each, and is not where it leads to.
func TestEntering(t *testing.T) {
	_, s := shelf(t)
	w := ask(s, s.Path("one"), func(r *http.Request) { r.Header.Del("Cookie") })
	c, err := http.ParseSetCookie(w.Header().Get("Set-Cookie"))
	if err != nil || w.Code != http.StatusSeeOther || c.Value != s.cookie || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Domain != "" {
		t.Errorf("%d, %v, %v", w.Code, c, err)
	}
	if got, want := w.Header().Get("Location"), "/#key="+s.key+"&session=one"; got != want {
		t.Errorf("%s, not %s", got, want)
	}
	q, err := url.ParseQuery(strings.TrimPrefix(s.Path(`a b&c="`), "/?"))
	if err != nil || q.Get("session") != `a b&c="` || q.Get("token") != s.token || s.token == s.key || s.key == s.cookie {
		t.Errorf("%q, %v", q, err)
	}
	if _, other := shelf(t); other.token == s.token {
		t.Error("two servers have the same secret")
	}
}

// What callers say is printable wherever it is, and no markup in the page's own files is made of it.
func TestHostileText(t *testing.T) {
	dir, s := shelf(t)
	about := tape.About{Session: "bad", Principal: evil, Kind: evil, Agent: evil, Op: "sftp", Ref: evil + ":" + evil, Grant: evil, Record: evil, GUID: evil}
	f, err := json.Marshal(map[string]any{"did": evil, "path": []any{evil}, evil: map[string]any{"to": evil}})
	if err != nil {
		t.Fatal(err)
	}
	event, err := json.Marshal([]any{1, "f", string(f)})
	if err != nil {
		t.Fatal(err)
	}
	put(t, dir, tape.Header{Command: evil, Title: evil, Forkgate: about}, string(event)+"\n")
	line := `{"v":2,"event":"decision","session":"bad","agent":"\u001b]0;x\u0007","evidence":["\u202e"],"\u001b":1,"reason":"a\u009bb"}`
	if err := os.WriteFile(filepath.Join(dir, "audit", "audit-000001.jsonl"), []byte(line+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, strings.ReplaceAll(evil, "/", "")+archive.Extension), []byte("rubbish\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string][]string{
		"/api/recordings":     {`"principal":"\u003cb\u003ex\u003c/b\u003e\\x1b]0;owned\\a\\u202e`, `1 files cannot be read`},
		"/api/recordings/bad": {`"place":"audit-000001.jsonl:1"`, `"evidence":["\\u202e"]`, `"agent":"\\x1b]0;x\\a"`, `"reason":"a\\u009bb"`, `"did":"\u003cb\u003e`},
	} {
		text := ask(s, path, nil).Body.String()
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("%s has no %s: %s", path, w, text)
			}
		}
		for _, bad := range []string{`\u001b`, "\x1b", `\u202e"`, "\u202e", "\u009b", "<b>", "\xff", `\u0007`} {
			if strings.Contains(strings.ReplaceAll(text, `\\`, ""), bad) && bad != `\u202e"` {
				t.Errorf("%s has %q: %s", path, bad, text)
			}
		}
	}
}

func TestServing(t *testing.T) {
	_, s := shelf(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l) }()
	answer, err := http.Get("http://" + l.Addr().String() + "/")
	if err != nil || answer.StatusCode != http.StatusForbidden {
		t.Fatalf("%v, %v", answer, err)
	}
	answer.Body.Close()
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", l.Addr().String()); err == nil {
		t.Error("it goes on")
	}
}

// Of a long log one sees how the session began, and how it ended.
func TestManyLines(t *testing.T) {
	dir, s := shelf(t)
	put(t, dir, tape.Header{Forkgate: tape.About{Session: "one"}}, "")
	log := `{"v":2,"event":"decision","session":"one"}` + strings.Repeat("\n"+`{"v":2,"event":"file","session":"one"}`, 2*mostLines) + "\n" + `{"v":2,"event":"ended","session":"one","took":"3s"}` + "\n"
	if err := os.WriteFile(filepath.Join(dir, "audit", "audit-000001.jsonl"), []byte(log), 0o600); err != nil {
		t.Fatal(err)
	}
	text := ask(s, "/api/recordings/one", nil).Body.String()
	if n := strings.Count(text, `"place"`); n != mostLines || !strings.Contains(text, `"decision"`) || !strings.Contains(text, `"ended"`) || !strings.Contains(text, "1002 lines of the log") {
		t.Errorf("%d lines: %.300s", n, text)
	}
}

// The list says what there is, and goes on without what there is not.
func TestListing(t *testing.T) {
	dir, s := shelf(t)
	put(t, dir, tape.Header{Command: strings.Repeat("é", 1000), Forkgate: tape.About{Session: "runs", Ref: "shop:x"}}, "")
	var got struct {
		Recordings []recording
		Problems   []string
	}
	if err := json.Unmarshal(ask(s, "/api/recordings", nil).Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if r := got.Recordings[0]; !r.Live || r.Repo != "shop" || r.Seconds != nil || len(r.Command) > shortCommand+4 || !strings.HasSuffix(r.Command, "é ...") || got.Problems != nil {
		t.Errorf("%+v", got)
	}
	if err := os.Remove(filepath.Join(dir, "audit")); err != nil {
		t.Fatal(err)
	}
	if text := ask(s, "/api/recordings", nil).Body.String(); !strings.Contains(text, "cannot list the audit log") || !strings.Contains(text, `"session":"runs"`) {
		t.Errorf("without a log: %s", text)
	}
	s.config.List = func(func(string, error)) ([]archive.Recording, error) { return nil, errors.New("no\x1b") }
	if w := ask(s, "/api/recordings", nil); w.Code != 500 || !strings.Contains(w.Body.String(), `"error":"no\\x1b"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
