package warden

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"forkgate/gate/warden/client"
	"forkgate/tests/need"
)

// What callers do shows in the metrics, over a socket that root alone can reach.
func TestMetrics(t *testing.T) {
	h := recorded(t, "required")
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- h.metrics.serve(ctx, dir) }()
	h.sit(t, "demo", h.alice)
	if _, err := h.connect(t, "demo", h.bob).Open(t.Context(), client.OpenRequest{Op: "shell"}); err == nil {
		t.Fatal("an agent is in production")
	}
	fill(h, 1<<40)
	if _, err := h.connect(t, "demo", h.alice).Open(t.Context(), client.OpenRequest{Op: "shell"}); err == nil {
		t.Fatal("it is not recorded, and runs")
	}
	path := filepath.Join(dir, MetricsSocket)
	need.Eventually(t, "it listens", func() bool { _, err := os.Stat(path); return err == nil })
	c := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}}
	answer, err := c.Get("http://warden/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		`forkgate_decisions_total{kind="agent",rule="agents-keep-out",verdict="forbid"} 1`,
		`forkgate_decisions_total{kind="human",rule="people",verdict="permit"} 2`,
		`forkgate_logins_total{door="ssh"} 3`, `forkgate_seconds_count{what="login"} 3`, `forkgate_seconds_count{what="pod"} 1`,
		"forkgate_recording_failures_total 1", "forkgate_sessions 1", "forkgate_pods 1", "forkgate_repositories 2", "forkgate_forks 0",
		"forkgate_pool_free_bytes 5.36870912e+09", "forkgate_pool_returning_subvolumes 3", "forkgate_policy_loaded 1", "forkgate_policy_broken 0", "forkgate_record_broken 0", "forkgate_record_signed_lines 1",
		"forkgate_sessions_revoked_total 0",
	} {
		if !strings.Contains(string(text), line+"\n") {
			t.Errorf("there is no line %q", line)
		}
	}
	if t.Failed() {
		t.Logf("%s", text)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("it ends with %v", err)
	}
}
