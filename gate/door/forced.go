package door

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"sync"

	"forkgate/gate"
	"forkgate/gate/warden/client"
	"forkgate/nsjail/wire"
)

// AccountWarden is one connection to the process that decides, of a process that speaks for the account it runs as. *client.Client is
// one.
type AccountWarden interface {
	Account(context.Context, client.AccountRequest) (client.AccountReply, error)
	Open(context.Context, client.OpenRequest) (*client.Session, error)
	Verb(context.Context, client.VerbRequest) ([]byte, error)
	Notify(func(client.Notice))
	Struck(ctx context.Context, session string) (client.StruckReply, error)
}

// Forced is one session that the host's own sshd has started, by ForceCommand. sshd has spoken SSH, and says in the environment who
// signed in and what is wanted; the rest is as at the gate: the warden decides, and bytes are carried. Nothing of what the environment
// says is believed here.
type Forced struct {
	Warden                AccountWarden
	Ref                   string // where to; empty: the client's first word says
	Stdin, Stdout, Stderr *os.File

	env    map[string]string
	marks  environment
	raw    *rawTerminal // of a client with a terminal
	place  string       // a ref, or the control user
	job    job
	reply  client.AccountReply
	saying sync.WaitGroup
}

// Run does what the client wants, and returns how that ended. It has told the client by then.
func (f *Forced) Run(ctx context.Context, environ []string) wire.Exit {
	f.read(environ)
	exit, session, err := f.do(ctx)
	f.saying.Wait()
	if err == nil {
		return exit
	}
	var failed *client.Failed
	if errors.As(err, &failed) {
		session = failed.Session
	}
	switch {
	case errors.Is(err, errVanished) || failed != nil && failed.Ended:
		_, _ = io.WriteString(f.Stderr, endedFromOutside(session))
		return wire.Exit{Code: gate.ExitFailed}
	case session == "" && !isRefusal(err): // nothing is in the record
		fmt.Fprintf(f.Stderr, "forkgate: %s\n", gate.Printable(err.Error()))
		return wire.Exit{Code: gate.ExitFailed}
	}
	text, code := gate.Explain(err, gate.Printable(session))
	f.write(f.here(text))
	return wire.Exit{Code: code}
}

func isRefusal(err error) bool {
	_, ok := gate.AsRefusal(err)
	return ok
}

func (f *Forced) do(ctx context.Context) (exit wire.Exit, session string, err error) {
	if err := f.marks.check(); err != nil {
		return wire.Exit{}, "", err
	}
	if f.place, f.job, err = destination(f.Ref, f.env[originalCommand]); err != nil {
		return wire.Exit{}, "", err
	}
	request := client.AccountRequest{User: []byte(f.place), Source: source(f.env["SSH_CONNECTION"])}
	if request.Keys, err = signers(f.env["SSH_USER_AUTH"]); err != nil {
		return wire.Exit{}, "", &gate.Refusal{
			Reason: err.Error(), Hint: "the operator finds what sshd needs in sshd_config.d/forkgate.conf",
		}
	}
	f.Warden.Notify(f.notice)
	f.reply, err = f.Warden.Account(ctx, request)
	switch {
	case errors.Is(err, client.ErrGone):
		return wire.Exit{}, "", &gate.Refusal{
			Reason: "nobody speaks by this account", Hint: "the operator names it in the accounts of a principal, and reloads forkgate-warden",
		}
	case err != nil:
		return wire.Exit{}, "", err
	case f.place == gate.ControlUser:
		return wire.Exit{}, "", f.control(ctx)
	}
	return f.open(ctx)
}

// control answers a control word.
func (f *Forced) control(ctx context.Context) error {
	request, err := parseControl(f.job)
	if err != nil {
		return err
	}
	request.Marks = f.marks.marks
	text, err := f.Warden.Verb(ctx, request)
	if err != nil {
		return err
	}
	if !request.JSON && !quotes(request.Words) {
		text = []byte(f.here(string(text)))
	}
	_, err = f.Stdout.Write(text)
	return err
}

// open enters a fork, and carries bytes until the command has ended. When the client goes, the session ends, and so does waiting for one.
func (f *Forced) open(ctx context.Context) (exit wire.Exit, session string, err error) {
	request := client.OpenRequest{
		Op: string(f.job.op), Command: f.job.command, Env: f.marks.session, Marks: f.marks.marks, Told: f.tell,
	}
	if err := fits(request); err != nil {
		return wire.Exit{}, "", err
	}
	if f.env["SSH_TTY"] != "" {
		if f.raw, request.Terminal, err = takeTerminal(f.Stdin, f.env["TERM"]); err != nil {
			return wire.Exit{}, "", err
		}
		defer f.raw.giveBack()
	}
	if err := f.unblock(); err != nil {
		return wire.Exit{}, "", err
	}
	defer f.Stdin.Close() // ends a read that waits
	ctx, done := context.WithCancel(ctx)
	var watching sync.WaitGroup
	defer watching.Wait()
	defer done()
	if f.raw == nil { // with a terminal the kernel sends SIGHUP
		watching.Go(func() { awaitHangUp(ctx, f.Stdout, f.Stderr); done() })
	}
	run, err := f.Warden.Open(ctx, request)
	if err != nil {
		return wire.Exit{}, "", err
	}
	if run.Said != "" {
		f.tell("forkgate: " + run.Said)
	}
	exit, err = f.carry(ctx, run)
	if err == nil && (exit.Code != 0 || exit.Signal != "") {
		text, _ := limitsOf(ctx, f.Warden, run.ID) // a warden that has gone has nothing to tell
		f.write(f.here(text))
	}
	return exit, run.ID, err
}

// unblock makes all three streams such that Close ends what waits. They may be one: then none of them blocks any more.
func (f *Forced) unblock() error {
	for _, stream := range []**os.File{&f.Stdin, &f.Stdout, &f.Stderr} {
		pollable, err := wire.Pollable(*stream)
		if err != nil {
			return err
		}
		*stream = pollable
	}
	return nil
}

// notice tells the client what the warden has to say of a session.
func (f *Forced) notice(n client.Notice) { f.tell("forkgate: " + n.Text) }

// tell tells the client lines in the warden's own words. They may be for somebody else to type, at the gate. It does not wait.
func (f *Forced) tell(text string) {
	f.saying.Go(func() {
		for line := range strings.Lines(text) {
			f.write(gate.Printable(strings.TrimSuffix(line, "\n")) + "\n")
		}
	})
}

// write writes what is for the client's user. A raw terminal needs carriage returns.
func (f *Forced) write(text string) {
	if f.raw != nil {
		text = strings.ReplaceAll(text, "\n", "\r\n")
	}
	_, _ = io.WriteString(f.Stderr, text)
}

// quotes reports whether a control word prints what others have asked for: that may read like a hint.
func quotes(words [][]byte) bool {
	if len(words) == 0 {
		return false
	}
	verb, _ := gate.FindVerb(string(words[0]))
	return verb.Quotes
}

var atTheGate = regexp.MustCompile(`\bssh (\S+)@host\b`)

// here has hints name what works here: the account, and what at the gate is the user name behind it. Where the operator has said what
// the account leads to there is nothing to name.
func (f *Forced) here(text string) string {
	if f.Ref != "" || f.reply.Account == "" {
		return text
	}
	return atTheGate.ReplaceAllStringFunc(text, func(hint string) string {
		user := atTheGate.FindStringSubmatch(hint)[1]
		if user == gate.ControlUser {
			return "ssh " + f.reply.Account + "@host"
		}
		return "ssh " + f.reply.Account + "@host " + user
	})
}

// source is the client's address, the first two words of SSH_CONNECTION (ssh(1)).
func source(connection string) netip.AddrPort {
	words := strings.Fields(connection)
	if len(words) < 2 {
		return netip.AddrPort{}
	}
	address, err := netip.ParseAddr(words[0])
	port, wrong := parsePort(words[1])
	if err != nil || wrong != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(address.WithZone(""), port)
}
