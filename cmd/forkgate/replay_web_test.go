package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"

	"forkgate/gate/page"
)

// The page is on loopback alone, and what is wrong is said before anything is served.
func TestReplayInBrowserRefuses(t *testing.T) {
	state := taped(t, "aaaa")
	for args, want := range map[string]string{
		"--web --listen 0.0.0.0:8400":    "no address and port of loopback; write it like 127.0.0.1:8400",
		"--web --listen 192.0.2.1:1":     "no address and port of loopback",
		"--web --listen [::]:1":          "no address and port of loopback",
		"--web --listen localhost:1":     "no address and port of loopback",
		"--web --listen 8400":            "no address and port of loopback",
		"--web bbbb":                     "there is no recording of a session",
		"--web aaaa bbbb":                "takes",
		"--web --speed 2":                "none of the others can be",
		"--web --raw":                    "none of the others can be",
		"aaaa --listen 127.0.0.1:1":      "add --web",
		"--web --identity /no/such/file": "no such file",
		"":                               "takes 1 word",
	} {
		_, err := forkgate(t, "", append([]string{"replay", "--state", state}, strings.Fields(args)...)...)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", args, err)
		}
	}
}

// running runs replay --web, is the address that it prints, and sees that it ends and says so.
func running(t *testing.T, args ...string) (address string) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	out, in := io.Pipe()
	c := commands()
	c.SetArgs(append([]string{"replay", "--web"}, args...))
	c.SetOut(in)
	ended := make(chan error, 1)
	go func() {
		err := c.ExecuteContext(ctx)
		in.Close()
		ended <- err
	}()
	lines := bufio.NewScanner(out)
	lines.Scan()
	address = lines.Text()
	said := make(chan string, 1)
	go func() {
		text, _ := io.ReadAll(out)
		said <- string(text)
	}()
	t.Cleanup(func() {
		stop()
		if err, text := <-ended, <-said; err != nil || !strings.HasSuffix(text, "ended: the address leads nowhere any more\n") {
			t.Errorf("it ended with %v, %q", err, text)
		}
	})
	return address
}

// served asks as a browser does that was sent to the address.
func served(t *testing.T, args ...string) (ask func(path string) (code int, text string)) {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := http.Client{Jar: jar}
	answer, err := browser.Get(running(t, args...))
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	given, err := url.ParseQuery(answer.Request.URL.Fragment)
	if err != nil {
		t.Fatal(err)
	}
	return func(path string) (int, string) {
		r, err := http.NewRequest(http.MethodGet, "http://"+answer.Request.URL.Host+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set(page.KeyHeader, given.Get("key"))
		got, err := browser.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer got.Body.Close()
		text, _ := io.ReadAll(got.Body)
		return got.StatusCode, string(text)
	}
}

// What is encrypted is listed, and played to who has the key.
func TestReplayInBrowser(t *testing.T) {
	key, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	state := tapedFor(t, []string{key.Recipient().String()}, "aaaa")
	file := filepath.Join(t.TempDir(), "key.txt")
	if err := os.WriteFile(file, []byte(key.String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ask := served(t, "--state", state)
	if code, text := ask("/api/recordings"); code != 200 || !strings.Contains(text, `"session":"aaaa"`) || !strings.Contains(text, `"sealed":true`) || strings.Contains(text, "make") {
		t.Errorf("%d %s", code, text)
	}
	if code, text := ask("/cast/aaaa"); code == 200 || !strings.Contains(text, "--identity") {
		t.Errorf("%d %s", code, text)
	}
	ask = served(t, "--state", state, "--identity", file)
	if code, text := ask("/api/recordings"); code != 200 || !strings.Contains(text, "make") {
		t.Errorf("%d %s", code, text)
	}
	if code, text := ask("/cast/aaaa"); code != 200 || !strings.Contains(text, `"o","aaaa"]`) {
		t.Errorf("%d %s", code, text)
	}
}
