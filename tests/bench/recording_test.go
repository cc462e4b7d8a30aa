package bench

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"forkgate/tests/host"
	"forkgate/tests/need"
)

// written is how much a session of these writes, in lines like those of a log.
const written = 100 << 20

const recordingRounds = 15

// recordingPolicy records what happens in forks by their tag, and lets a recording get as long as one of these.
const recordingPolicy = `
permit "taped" {
  when   = target.fork && target.owner == caller.principal && contains(["taped", "sealed"], target.tag) && contains(["shell", "exec"], op)
  record = "required"
}
recordings {
  quota     = "100GiB"
  principal = "100GiB"
  session   = "1GiB"
  %s
}
`

// BenchmarkRecording measures what recording costs a session that writes 100 MB: through pipes, and on a terminal; and when it is encrypted.
func BenchmarkRecording(b *testing.B) {
	b.StopTimer()
	h := host.Start(b, host.Options{Agents: []string{"bot"}})
	h.Repo(b, "demo", "/etc/systemd")
	key, err := age.GenerateX25519Identity()
	must(b, err)
	for _, fork := range []string{"plain", "taped", "sealed"} {
		write(b, h, fork, fmt.Sprintf(`yes "2026-11-26T12:00:00.000000Z demo web[4711]: GET /orders/1234567890 200 in 12 ms" | head -c %d >log`, written))
	}
	var all []comparison
	for _, kind := range []struct{ fork, recipients string }{{"taped", ""}, {"sealed", fmt.Sprintf("recipients = [%q]", key.Recipient())}} {
		must(b, os.WriteFile(filepath.Join(h.Root(), "etc/forkgate/policy.d/recording.hcl"), fmt.Appendf(nil, recordingPolicy, kind.recipients), 0o644))
		need.Eventually(b, "sessions are recorded that way", func() bool {
			write(b, h, kind.fork, "true")
			said := h.Must(b, "sh", "-c", "forkgate recordings | tail -n 1")
			return strings.Contains(said, "demo:"+kind.fork) && strings.Contains(said, "(encrypted)") == (kind.recipients != "")
		})
		for _, way := range []struct {
			name    string
			options []string
		}{{"pipes", nil}, {"a terminal", []string{"-tt"}}} {
			c := comparison{what: fmt.Sprintf("100 MB through %s, %s", way.name, kind.fork), rival: "unrecorded", limit: "at most 1.30"}
			for n := range recordingRounds {
				var r round
				first, second := &r.Ours, &r.Rival
				forks := []string{kind.fork, "plain"}
				if n%2 == 1 {
					first, second = second, first
					slices.Reverse(forks)
				}
				*first, *second = write(b, h, forks[0], "cat log", way.options...), write(b, h, forks[1], "cat log", way.options...)
				c.rounds = append(c.rounds, r)
				dropRecording(b, h)
			}
			all = append(all, c)
			b.ReportMetric(c.ratio(), kind.fork+"-"+strings.TrimPrefix(way.name, "a ")+"/ratio")
		}
	}
	fmt.Printf("\nmedians of %d interleaved rounds; the ratio is the median of the rounds' ratios\n%s\n", recordingRounds, table(all))
}

// dropRecording removes the recording that a round has left, so that the next one is written to the same memory: a virtual machine may have to
// ask its host for more.
func dropRecording(b *testing.B, h *host.Host) {
	b.Helper()
	const them = "find /var/lib/forkgate/recordings -size +100M"
	if n := h.Must(b, "sh", "-ec", them+" | wc -l; "+them+" -exec chattr -a {} + -exec rm {} +"); n != "1" {
		b.Fatalf("%s sessions are recorded", n)
	}
}

// write runs a command in a fork, and returns how long that took until all of its output was here.
func write(b *testing.B, h *host.Host, fork, command string, options ...string) time.Duration {
	b.Helper()
	c := h.SSH(b.Context(), slices.Concat(options, []string{"demo+" + fork + "@bot", command})...)
	var said bytes.Buffer
	c.Stdout, c.Stderr = io.Discard, &said
	start := time.Now()
	if err := c.Run(); err != nil {
		b.Fatalf("%s in %s: %v: %s", command, fork, err, said.String())
	}
	return time.Since(start)
}
