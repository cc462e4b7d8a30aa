package web_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"testing"

	"github.com/chromedp/chromedp"
)

// anotherPort has another user's server on another port of loopback get the browser's cookie, which is the control, and no recording for it.
func anotherPort(t *testing.T, browser context.Context, address string) {
	b := open(t, browser, address+"&session="+played, 1280, 860)
	b.is("the address leads to a recording", fmt.Sprintf("location.hash === '#%s' && !!document.querySelector('.ap-player')", played))
	thief, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	got := make(chan string, 1)
	s := http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case got <- r.Header.Get("Cookie"):
		default:
		}
	})}
	go func() { _ = s.Serve(thief) }()
	defer s.Close()
	b.do(chromedp.Navigate("http://" + thief.Addr().String()))
	cookie := <-got
	if cookie == "" {
		t.Fatal("the other port got no cookie: this tests nothing")
	}
	at, err := url.Parse(address)
	must(t, err)
	for path, want := range map[string]int{"/": http.StatusOK, "/api/recordings": http.StatusForbidden, "/cast/" + played: http.StatusForbidden} {
		r, err := http.NewRequest(http.MethodGet, "http://"+at.Host+path, nil)
		must(t, err)
		r.Header.Set("Cookie", cookie)
		answer, err := http.DefaultClient.Do(r)
		must(t, err)
		text, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		if answer.StatusCode != want {
			t.Errorf("%s for a cookie alone: %s %s", path, answer.Status, text)
		}
	}
}
