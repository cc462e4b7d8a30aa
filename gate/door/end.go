package door

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"forkgate/gate"
	"forkgate/gate/warden/client"
	"forkgate/nsjail/wire"
)

// errVanished says that a session ended without a word, as when its pod is stopped.
var errVanished = errors.New("the session vanished")

// interrupted is what a caller hears whose request was under way when the warden ended: the door cannot tell how far it had come.
const interrupted = "forkgate: the gate was restarted before it answered, session %s\n" +
	"hint: it may have run all the same: look whether it did before you ask again\n"

func endedFromOutside(session string) string {
	return "forkgate: the session was ended from outside, session " + gate.Printable(session) + "\n"
}

// explain tells the caller why there is no exit code of a command, and returns the one that stands for it.
func (s *session) explain(ctx context.Context, j job, err error) wire.Exit {
	var failed *client.Failed
	if errors.As(err, &failed) {
		s.id = failed.Session
	}
	switch {
	case errors.Is(err, errVanished) || failed != nil && failed.Ended:
		s.log.Info("session vanished")
		if why := s.why(); why != "" && !s.noticed.Load() {
			fmt.Fprintf(s.stderr(), "forkgate: %s\n", gate.Printable(why))
		}
		_, _ = io.WriteString(s.stderr(), endedFromOutside(s.id))
		return wire.Exit{Code: gate.ExitFailed}
	case errors.Is(err, errTape):
		s.log.Error("a session ended as its recording failed", "session", s.id, "error", err)
		fmt.Fprintf(s.stderr(), "forkgate: the recording failed, and this session has to be recorded: %s, session %s\n", whyUntaped(err), gate.Printable(s.id))
		return wire.Exit{Code: gate.ExitFailed}
	case errors.Is(err, client.ErrGone) && !isRefusal(err):
		s.log.Error("the warden went away before it answered", "session", s.id, "error", err)
		fmt.Fprintf(s.stderr(), interrupted, gate.Printable(s.id))
		return wire.Exit{Code: gate.ExitFailed}
	}
	text, code := gate.Explain(err, gate.Printable(s.id))
	switch {
	case code == gate.ExitRefused:
		s.log.Info("refused", "reason", gate.ForLog(err))
	case !errors.Is(err, context.Canceled) && !errors.Is(err, errChannelClosed) && !errors.Is(err, errClosed):
		s.log.Error("session failed", "session", s.id, "error", err)
	}
	if s.entered {
		_, _ = io.WriteString(s.stderr(), text)
	} else {
		s.tell(ctx, j, text, err)
	}
	return wire.Exit{Code: code}
}

// endingTime is how long a warden that has just started may take to say why it ended a session.
const endingTime = 5 * time.Second

// why asks why the session was ended. A warden that was there when it began has said so, which may come too late; one that was not knows no
// connection to say it to.
func (s *session) why() string {
	ctx, cancel := context.WithTimeout(s.c.ctx, endingTime)
	defer cancel()
	var reply client.EndedReply
	if err := s.c.warden.ask(ctx, func(w Warden) (err error) {
		reply, err = w.Ended(ctx, s.id)
		return err
	}); err != nil {
		s.log.Warn("cannot find out why a session was ended", "error", err)
	}
	return reply.Why
}

// tellLimits says which limits a session that failed ran into. The kernel only kills, or says that something is unavailable,
// and a program that was killed says nothing at all.
func (s *session) tellLimits(ctx context.Context, warden Warden) {
	text, err := limitsOf(ctx, warden, s.id)
	if err != nil {
		s.log.Warn("cannot tell which limits were hit", "error", err)
	}
	_, _ = io.WriteString(s.stderr(), text)
}

// limitsOf asks for the limits that a session ran into, and makes the answer a text for its caller.
func limitsOf(ctx context.Context, warden interface {
	Struck(ctx context.Context, session string) (client.StruckReply, error)
}, session string) (text string, err error) {
	ctx, cancel := context.WithTimeout(ctx, lastWords)
	defer cancel()
	struck, err := warden.Struck(ctx, session)
	for _, limit := range struck.Limits {
		text += "forkgate: " + gate.Printable(limit) + "\n"
	}
	if struck.Hint != "" {
		text += "hint: " + gate.Printable(struck.Hint) + "\n"
	}
	return text, err
}

// end sends exit status, end of file, and close, in the order in which clients expect them.
func (s *session) end(exit wire.Exit) {
	if exit.Signal != "" {
		_, _ = s.channel.SendRequest("exit-signal", false, ssh.Marshal(struct {
			Signal   string
			Core     bool
			Message  string
			Language string
		}{signalName(exit.Signal), exit.Core, "", ""}))
	} else {
		_, _ = s.channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{exitCode(exit.Code)}))
	}
	s.sendEOF()
	_ = s.channel.Close()
}

// sendEOF says that no more output comes, unless somebody is cut off in the middle of it, whose end is that of the channel.
func (s *session) sendEOF() {
	if !s.sentEOF {
		s.sentEOF = s.channel.CloseWrite() == nil
	}
}

// exitCode is a code as wait(2) has them. A pod is not trusted to send one.
func exitCode(code int) uint32 {
	if code < 0 || code > 255 {
		return gate.ExitFailed
	}
	return uint32(code)
}

// signalName is a name as RFC 4254 has them, or OpenSSH's for those that it does not have.
func signalName(name string) string {
	if len(name) > 16 || strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") != "" {
		return "SIG@openssh.com"
	}
	return name
}

// maxCommand is what the kernel takes as one argument of a program (MAX_ARG_STRLEN, linux/binfmts.h), its end included: the
// whole command is one argument of the shell.
const maxCommand = 128<<10 - 1

// fits refuses a command that no shell could be given.
func fits(r client.OpenRequest) error {
	if len(r.Command) <= maxCommand {
		return nil
	}
	return &gate.Refusal{
		Reason: fmt.Sprintf("the command is too long: %d bytes, at most %d", len(r.Command), maxCommand),
		Hint:   "send a long script on standard input: ssh REF@host sh -s < script",
	}
}
