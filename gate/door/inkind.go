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

// tell has the client hear why nothing ran. Who speaks a protocol with what he asked for is told in that as well, where it has words for it: many
// such clients show nothing else.
func (s *session) tell(ctx context.Context, j job, text string) {
	line := strings.ReplaceAll(strings.TrimSpace(text), "\nhint: ", " (hint: ")
	if line != strings.TrimSpace(text) {
		line += ")"
	}
	if isSCP(j) {
		_, _ = io.WriteString(s.channel, "\x02"+line+"\n") // the client shows it itself: see sink() in scp.c
		return
	}
	_, _ = io.WriteString(s.stderr(), text)
	if j.op != gate.OpSFTP {
		return
	}
	heard := make(chan struct{})
	s.spawn(&s.work, func() {
		defer close(heard)
		_ = sftp.Refuse(s.channel, line)
	})
	select {
	case <-heard:
	case <-ctx.Done():
	case <-time.After(inKindTime):
	}
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
