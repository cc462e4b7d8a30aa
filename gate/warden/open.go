package warden

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"forkgate/gate"
	"forkgate/gate/warden/client"
	"forkgate/nsjail/wire"
)

// sftpServer is what runs for the sftp subsystem: the rootfs's own. What the door says is not run under that name.
const sftpServer = "exec /usr/lib/openssh/sftp-server"

// goesHome reports whether a command begins by leaving for the home. Zed's do, as it knows that logins may be in a project; its sftp is to be in the
// same place all the same.
func goesHome(command []byte) bool {
	rest, ok := bytes.CutPrefix(command, []byte("cd"))
	rest = bytes.TrimLeft(rest, " ")
	return ok && (bytes.HasPrefix(rest, []byte(";")) || bytes.HasPrefix(rest, []byte("&&")))
}

// open starts a session where the connection's user name says.
func open(ctx context.Context, r *request, q client.OpenRequest) (answer, error) {
	if !gate.Op(q.Op).IsForward() { // which are beside the session, and judged each by itself
		if err := r.identity.once(); err != nil {
			return answer{}, err
		}
	}
	ask, err := r.ask(ctx, q)
	if err != nil {
		return answer{}, err
	}
	if err := r.pace.take(ctx, ask.Evidence.Principal, r.now()); err != nil {
		return answer{}, err
	}
	release, err := r.turn(ctx, &ask.Evidence)
	if err != nil {
		return answer{}, err
	}
	defer release()
	if err := r.heedExtensions(&ask); err != nil {
		return answer{}, err
	}
	defer r.metrics.time(timedSession)()
	law := r.rules.has.Load()
	r.expect(ask, q)
	session, err := r.gate.Enter(ctx, ask)
	if err != nil {
		err = errors.Join(err, r.cameToNothing(err))
		r.pods.sessions.forget(r.session)
		return answer{}, err
	}
	r.begin(session.GUID)
	if err := errors.Join(r.started(), r.unrecorded(session)); err != nil {
		session.Close()
		return answer{}, err
	}
	if err := r.overheard(ctx, ask); err != nil {
		session.Close()
		return answer{}, err
	}
	if session.agent { // an agent may have entered meanwhile
		r.reconsiderAgents(ctx, session.GUID)
	}
	if r.rules.has.Load() != law { // whoever brought that about may have looked before this session was there to see
		if err := r.overtaken(ctx, r.session); err != nil {
			session.Close()
			return answer{}, err
		}
	}
	reply := client.OpenReply{Session: r.session, Said: r.said, Agent: session.agent}
	files := session.Files
	if session.tape != nil {
		files = append(files, session.tape)
		reply.Record, reply.Terms = session.record.String(), session.terms
	}
	return answer{body: reply, files: files}, nil
}

// ask is what a door's message asks of the gate.
func (r *request) ask(ctx context.Context, q client.OpenRequest) (gate.Ask, error) {
	// A forward brings no variables along: what its connection's sessions have said of an agent holds for it.
	marks, news := r.identity.said.with(q.Marks)
	if news {
		r.forwardsHear(ctx, texts(marks))
	}
	evidence, err := r.evidence(q.Alone, marks, q.Env)
	if err != nil {
		return gate.Ask{}, err
	}
	if gate.IsControl(r.identity.user) {
		return gate.Ask{}, &gate.Refusal{
			Reason: r.identity.user + " is no repository; it answers control words",
			Hint:   "ssh gate@host help",
		}
	}
	ref, err := gate.ParseRef(r.identity.user)
	if err != nil {
		return gate.Ask{}, err
	}
	op, command, err := operation(q)
	if err != nil {
		return gate.Ask{}, err
	}
	switch {
	case op == gate.OpExec && goesHome(command):
		r.identity.atHome.Store(true)
	case op == gate.OpSFTP && r.identity.atHome.Load():
		command = []byte("cd && " + sftpServer)
	}
	return gate.Ask{
		Session: r.session, Evidence: evidence, Ref: ref, Op: op,
		Work: gate.Work{
			Command: command, Env: texts(q.Env), Terminal: terminal(q.Terminal), Agent: q.AgentForward,
			Forward: q.Forward, Listen: op == gate.OpForwardRemote,
		},
		Note: func(text string) { r.said = text },
		Tell: func(text string) { _ = r.send(client.TypeProgress, client.Progress{Line: text}) }, // who has gone is noticed elsewhere
	}, nil
}

// operation says what is going to run, and by which word policy judges it: not the door's word, but what it amounts to.
func operation(q client.OpenRequest) (gate.Op, []byte, error) {
	if op := gate.Op(q.Op); op.IsForward() {
		return op, nil, checkForward(op, q)
	}
	if q.Forward != (gate.Destination{}) {
		return "", nil, fmt.Errorf("%w: open: %.40q leads nowhere", wire.ErrMalformed, q.Op)
	}
	switch op := gate.Op(q.Op); {
	case op == gate.OpShell && len(q.Command) == 0:
		return op, nil, nil
	case op == gate.OpExec && len(q.Command) == 0:
		return op, []byte(":"), nil // what an empty command does; without one a shell would be opened
	case op == gate.OpExec:
		return op, q.Command, nil
	case op == gate.OpSFTP && len(q.Command) == 0:
		return op, []byte(sftpServer), nil
	}
	return "", nil, fmt.Errorf("%w: open: %.40q does not go with a command of %d bytes", wire.ErrMalformed, q.Op, len(q.Command))
}

// checkForward refuses what is no forward.
func checkForward(op gate.Op, q client.OpenRequest) error {
	err := q.Forward.Check(op)
	if err != nil || len(q.Command)+len(q.Env) > 0 || q.Terminal != nil || q.AgentForward {
		return fmt.Errorf("%w: open: %s to %.200q: %v", wire.ErrMalformed, op, q.Forward.Address(), err)
	}
	return nil
}

func terminal(t *client.Terminal) *gate.Terminal {
	if t == nil {
		return nil
	}
	return &gate.Terminal{
		Term: string(t.Term), Modes: t.Modes,
		Size: gate.WindowSize{Columns: t.Columns, Rows: t.Rows, Width: t.Width, Height: t.Height},
	}
}
