package door

import (
	"context"
	"io"
	"strings"
	"time"

	"forkgate/gate"
	"forkgate/gate/sftp"
)

// inKindTime is how long a client has to hear in its own protocol that nothing comes of what it asked for.
const inKindTime = 5 * time.Second

// tell has the client hear why nothing ran. Who speaks a protocol with what he asked for is told in that as well: many such clients show nothing
// else. It waits until they have heard: PuTTY looks at nothing any more once the channel has ended.
func (s *session) tell(ctx context.Context, j job, text string, err error) {
	line, _, _ := strings.Cut(text, "\n")
	if refusal, ok := gate.AsRefusal(err); ok {
		line = "forkgate: " + gate.Printable(refusal.InLine())
	}
	_, _ = io.WriteString(s.stderr(), text)
	var speak func()
	switch {
	case j.op == gate.OpSFTP:
		speak = func() { _ = sftp.Refuse(s.channel, line) }
	case isSCP(j):
		speak = func() {
			_, _ = io.WriteString(s.channel, "\x02"+s.inSCP(line)+"\n")
			_, _ = io.Copy(io.Discard, s.channel)
		}
	default:
		return
	}
	heard := make(chan struct{})
	s.spawn(&s.work, func() {
		defer close(heard)
		speak()
	})
	select {
	case <-heard:
	case <-ctx.Done():
	case <-time.After(inKindTime):
	}
}

// inSCP is what a client of the old scp is told in that, which it prints beside what its ssh does: OpenSSH's and dropbear's show standard error.
func (s *session) inSCP(line string) string {
	for _, shows := range []string{"SSH-2.0-OpenSSH_", "SSH-2.0-dropbear_"} {
		if strings.HasPrefix(string(s.who.ClientVersion), shows) {
			return "scp: refused"
		}
	}
	return line
}

// isSCP reports whether a client of the old scp asks for its other half.
func isSCP(j job) bool {
	words := strings.Fields(string(j.command))
	if len(words) == 0 || words[0] != "scp" {
		return false
	}
	for _, word := range words[1:] {
		if !strings.HasPrefix(word, "-") || word == "--" {
			return false
		}
		if strings.ContainsAny(word, "tf") {
			return true
		}
	}
	return false
}
