package docker

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"forkgate/nsjail"
)

// hostile serves what a pod may answer instead of Docker. The real daemon is asked in tests/scripts.
func hostile(t *testing.T, answer http.HandlerFunc) Daemon {
	t.Helper()
	run := t.TempDir()
	if err := os.MkdirAll(nsjail.Dir(run, "g"), 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(nsjail.Dir(run, "g"), "docker.sock"))
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: answer}
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	t.Cleanup(func() { s.Close(); <-done })
	return Of(run, "g")
}

func TestListIsRead(t *testing.T) {
	d := hostile(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.String() {
		case "/containers/json?all=1":
			io.WriteString(w, `[{"Id":"c1","Names":["/web"],"State":"running","Else":1},{"Id":"c2","Names":null,"State":"exited"}]`)
		case "/images/json":
			io.WriteString(w, `[{"Id":"sha256:i1","RepoTags":["app:1"]},{"Id":"sha256:i2","RepoTags":null}]`)
		case "/volumes":
			io.WriteString(w, `{"Volumes":[{"Name":"data"}],"Warnings":null}`)
		}
	})
	got, err := d.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := Inventory{
		Containers: []Thing{{"c1", "web", true}, {"c2", "", false}}, Images: []Thing{{ID: "sha256:i1", Name: "app:1"}, {ID: "sha256:i2"}},
		Volumes: []Thing{{ID: "data"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	before := Inventory{Containers: got.Containers[:1], Volumes: got.Volumes}
	want = Inventory{Containers: got.Containers[1:], Images: got.Images}
	if diff := cmp.Diff(want, got.Since(before)); diff != "" {
		t.Error(diff)
	}
}

// Whatever a pod answers, it takes bounded time and memory, and leads nowhere else.
func TestHostileAnswers(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"not JSON":     func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") },
		"another kind": func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `"text"`) },
		"a failure":    func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) },
		"elsewhere": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://docker/other", http.StatusFound)
		},
		"many": func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, "["+strings.Repeat(`{},`, maxThings)+"{}]")
		},
		"endless": func(w http.ResponseWriter, _ *http.Request) {
			for {
				if _, err := io.WriteString(w, strings.Repeat(" ", 1<<16)); err != nil {
					return
				}
			}
		},
	} {
		if got, err := hostile(t, answer).List(t.Context()); err == nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
	silent := hostile(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := silent.List(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("silence: %v", err)
	}
	if err := silent.Stop(ctx, "x"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("silence: %v", err)
	}
}

// An ID is one part of a path, whatever it holds.
func TestStopNamesOneContainer(t *testing.T) {
	var asked []string
	d := hostile(t, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+r.RequestURI)
		w.WriteHeader(http.StatusNoContent)
	})
	for _, id := range []string{"c1", "../images/x?y=1&"} {
		if err := d.Stop(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"POST /containers/c1/stop?t=10", "POST /containers/..%2Fimages%2Fx%3Fy=1&/stop?t=10"}
	if diff := cmp.Diff(want, asked); diff != "" {
		t.Error(diff)
	}
	refusing := hostile(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) })
	if err := refusing.Stop(t.Context(), "c1"); !errors.Is(err, ErrAnswer) {
		t.Error(err)
	}
}
