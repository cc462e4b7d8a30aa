package door

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"

	"forkgate/gate"
	"forkgate/gate/warden/client"
	"forkgate/nsjail/wire"
)

// session is a session channel: what the client has asked for so far, and the command or shell that follows.
type session struct {
	c       *connection
	id      string // names it to the caller and in the log, as long as the warden has not given it a name
	log     *slog.Logger
	who     client.AssertRequest
	conn    ssh.Conn
	channel ssh.Channel
	single  bool // the connection could be a person's, and has this session alone

	env      environment
	terminal *client.Terminal // nil: pipes
	wishes   *wishes
	unread   unread
	forward  bool               // the client wants to bring its ssh-agent along
	noAgent  context.CancelFunc // ends that; nil: it is not along
	display  bool               // it asks for X11
	started  bool
	entered  bool // the warden has begun it
	sentEOF  bool
	saidAll  atomic.Bool // the client sends no more input
	noticed  atomic.Bool // the warden has said why it ends, and the caller hears it
	work     sync.WaitGroup
	telling  sync.WaitGroup // of what the warden says before it answers; part of work
	toldLast chan struct{}  // closed when the last of that has been said
}

// job is what a session is to do: run a command, a shell or the sftp server.
type job struct {
	op      gate.Op
	command []byte
}

func newSession(c *connection, number int, who client.AssertRequest, conn ssh.Conn, channel ssh.Channel) *session {
	id := fmt.Sprintf("%s-%d", c.id, number)
	return &session{c: c, id: id, log: c.log.With("channel", number), who: who, conn: conn, channel: &outlet{Channel: channel}, wishes: newWishes(), unread: newUnread()}
}

// serve answers the client's requests until the channel is closed. It never waits for what was started: a window may change
// and a signal may come at any time.
func (s *session) serve(requests <-chan *ssh.Request) {
	ctx, cancel := context.WithCancelCause(s.c.ctx)
	defer s.work.Wait()
	defer cancel(errChannelClosed)
	for r := range requests {
		start, ok := s.answer(r)
		_ = r.Reply(ok, nil)
		if start == nil {
			continue
		}
		s.started = true
		s.spawn(&s.work, func() { s.run(ctx, *start) })
	}
}

// answer takes a request in. What does not fit, or not any more, is refused as sshd does.
func (s *session) answer(r *ssh.Request) (start *job, ok bool) {
	switch r.Type {
	case "window-change":
		size, ok := parseWindowChange(r.Payload)
		return nil, ok && s.resize(size)
	case "signal":
		name, ok := parseSignal(r.Payload)
		return nil, ok && s.wishes.signal(name)
	case "eow@openssh.com":
		s.unread.tell()
		return nil, true
	}
	if s.started {
		return nil, false
	}
	switch r.Type {
	case "env":
		name, value, ok := parseEnv(r.Payload)
		return nil, ok && s.env.add(name, value)
	case "auth-agent-req@openssh.com": // PROTOCOL of OpenSSH; the session is told where policy says no: see do
		s.forward = true
		return nil, true
	case "x11-req": // RFC 4254 section 6.3.1; the session is told: see do
		s.display = true
		return nil, false
	case "pty-req":
		terminal, ok := parsePty(r.Payload)
		if ok = ok && s.terminal == nil; ok {
			s.terminal = terminal
		}
		return nil, ok
	case "shell":
		return &job{op: gate.OpShell}, true
	case "exec":
		command, ok := parseExec(r.Payload)
		if !ok {
			return nil, false
		}
		return execJob(command), true
	case "subsystem":
		name, ok := parseSubsystem(r.Payload)
		if !ok || name != "sftp" {
			return nil, false
		}
		return &job{op: gate.OpSFTP}, true
	}
	return nil, false
}

// execJob is the job of an exec request. An empty command asks for a shell, and is judged as one.
func execJob(command []byte) *job {
	if len(command) == 0 {
		return &job{op: gate.OpShell}
	}
	return &job{op: gate.OpExec, command: command}
}

// resize sets the window's size: of the terminal to be, or of the one that is there.
func (s *session) resize(to wire.Resize) bool {
	if s.terminal == nil {
		return false
	}
	if s.started {
		return s.wishes.resize(to)
	}
	s.terminal.Columns, s.terminal.Rows, s.terminal.Width, s.terminal.Height = to.Columns, to.Rows, to.Width, to.Height
	return true
}

// run does the job and tells the client how it ended. A refusal is text on stderr and an exit code: the text of a refused
// request is lost in every client.
func (s *session) run(ctx context.Context, j job) {
	begin := time.Now()
	exit, err := s.do(ctx, j)
	s.telling.Wait() // the reason for an end comes after that
	if err != nil {
		exit = s.explain(ctx, j, err)
	}
	s.end(exit)
	level := slog.LevelInfo
	if !s.entered && ctx.Err() != nil { // the client did not wait, and may do that without end
		level = slog.LevelDebug
	}
	s.log.Log(ctx, level, "session ended", "op", j.op, "code", exit.Code, "signal", exit.Signal, "took", time.Since(begin))
}

func (s *session) do(ctx context.Context, j job) (wire.Exit, error) {
	if err := s.env.check(); err != nil {
		return wire.Exit{}, err
	}
	warden, err := s.c.ready(ctx, s.who)
	if err != nil {
		return wire.Exit{}, err
	}
	if gate.IsControl(string(s.who.User)) {
		return wire.Exit{}, s.control(ctx, warden, j)
	}
	s.c.caughtUp(ctx)
	request := client.OpenRequest{
		Op: string(j.op), Command: j.command, Env: s.env.session, Marks: s.env.marks, Terminal: s.terminal, Alone: s.alone(ctx),
		AgentForward: s.forward, Told: s.told,
	}
	if err := fits(request); err != nil {
		return wire.Exit{}, err
	}
	opened, err := warden.Open(ctx, request)
	if err != nil {
		return wire.Exit{}, err
	}
	s.id, s.entered = opened.ID, true
	s.log = s.log.With("session", opened.ID)
	if opened.Said != "" {
		s.told("forkgate: " + opened.Said)
	}
	if s.display {
		s.told("forkgate: X11 is not forwarded; ports, sockets and ssh-agents are")
	}
	s.offerAgent(ctx, opened)
	defer s.begin()()
	exit, err := s.pump(ctx, j.op, opened)
	if err == nil && (exit.Code != 0 || exit.Signal != "") {
		s.tellLimits(ctx, warden)
	}
	return exit, err
}

// offerAgent brings what connects to the ssh-agent's socket inside to the client's own agent, until the session ends.
func (s *session) offerAgent(ctx context.Context, run *client.Session) {
	if run.Agent == nil {
		return
	}
	ctx, s.noAgent = context.WithCancel(ctx)
	o := &offers{c: s.c, conn: s.conn, inside: run.Agent, channel: func(wire.Arrived) (string, []byte) { return "auth-agent@openssh.com", nil }}
	s.spawn(&s.work, func() {
		defer s.noAgent()
		s.log.Info("the caller's ssh-agent is not there any more", "why", o.serve(ctx))
	})
}

// alone reports whether nobody else can use the connection. Only of what could be a person's that matters.
func (s *session) alone(ctx context.Context) bool {
	return s.single && s.c.isAlone(ctx, s.who.ClientVersion)
}

// stderr is where the door itself speaks. A client with a terminal has its own in raw mode, which needs carriage returns.
func (s *session) stderr() io.Writer { return s.terminalSafe(s.channel.Stderr()) }

func (s *session) terminalSafe(w io.Writer) io.Writer {
	if s.terminal == nil {
		return w
	}
	return crlf{w}
}

// crlf writes lines as a terminal does.
type crlf struct{ io.Writer }

func (w crlf) Write(p []byte) (int, error) {
	if _, err := io.WriteString(w.Writer, strings.ReplaceAll(string(p), "\n", "\r\n")); err != nil {
		return 0, err
	}
	return len(p), nil
}
