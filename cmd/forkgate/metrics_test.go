package main

import (
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"forkgate/tests/need"
)

// Metrics are printed, and passed on to loopback and nowhere else.
func TestMetrics(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "metrics.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	s := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/metrics" {
			_, _ = io.WriteString(w, "forkgate_sessions 3\n")
		}
	})}
	go func() { _ = s.Serve(l) }()
	defer s.Close()
	if said, err := forkgate(t, "", "metrics", "--socket", socket); err != nil || said != "forkgate_sessions 3\n" {
		t.Errorf("%q, %v", said, err)
	}
	if _, err := forkgate(t, "", "metrics", "--socket", socket+"x"); err == nil || !strings.Contains(err.Error(), "is the warden running") {
		t.Errorf("without a warden: %v", err)
	}
	for _, listen := range []string{"0.0.0.0:9464", "192.0.2.1:1", "9464", "localhost:1"} {
		if _, err := forkgate(t, "", "metrics", "--socket", socket, "--listen", listen); err == nil || !strings.Contains(err.Error(), "of loopback") {
			t.Errorf("%s: %v", listen, err)
		}
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	free.Close()
	go func() { _, _ = forkgate(t, "", "metrics", "--socket", socket, "--listen", address) }()
	get := func(path string) (int, string) {
		answer, err := http.Get("http://" + address + path)
		if err != nil {
			return 0, ""
		}
		defer answer.Body.Close()
		text, _ := io.ReadAll(answer.Body)
		return answer.StatusCode, string(text)
	}
	need.Eventually(t, "it answers", func() bool { code, text := get("/metrics"); return code == 200 && text == "forkgate_sessions 3\n" })
	if code, _ := get("/other"); code != 404 {
		t.Errorf("another path: %d", code)
	}
}
