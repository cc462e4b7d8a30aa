package warden

import (
	"forkgate/gate"
	"forkgate/gate/audit"
)

// discreet is a record that does not show what policy has redacted. It embeds nothing: a method that Record gets later has to say here what it hides.
type discreet struct {
	record Record
	hide   func() gate.Redactions
}

func (d discreet) of(r gate.Request) gate.Request {
	r.Command = d.hide().Apply(r.Command)
	r.Forward.Host, r.Forward.Path = d.hide().Apply(r.Forward.Host), d.hide().Apply(r.Forward.Path)
	if r.Target.GUID == "" { // it is no name of anything, but what a client sent
		r.Target.Repo, r.Target.Tag = d.hide().Apply(r.Target.Repo), d.hide().Apply(r.Target.Tag)
	}
	return r
}

// Decision is Record.
func (d discreet) Decision(session string, r gate.Request, answer gate.Decision) error {
	answer.Reason = d.hide().Apply(answer.Reason) // which a rule may have made of the request
	return d.record.Decision(session, d.of(r), answer)
}

// Verb is Record.
func (d discreet) Verb(session string, r gate.Request) error { return d.record.Verb(session, d.of(r)) }

// Refused is Record.
func (d discreet) Refused(session string, r gate.Request, why string) error {
	return d.record.Refused(session, d.of(r), d.hide().Apply(why))
}

// Grant is Record.
func (d discreet) Grant(session string, r gate.Request, what string) error {
	return d.record.Grant(session, d.of(r), d.hide().Apply(what))
}

// Started is Record.
func (d discreet) Started(session string, r gate.Request) error {
	return d.record.Started(session, d.of(r))
}

// Revoked is Record.
func (d discreet) Revoked(session string, r gate.Request, answer gate.Decision) error {
	answer.Reason = d.hide().Apply(answer.Reason)
	return d.record.Revoked(session, d.of(r), answer)
}

// Ended is Record.
func (d discreet) Ended(session string, r gate.Request, how audit.End) error {
	return d.record.Ended(session, d.of(r), how)
}

// File is Record.
func (d discreet) File(session string, r gate.Request, op gate.FileOperation) error {
	hide := d.hide()
	op.Path, op.To = []byte(hide.Apply(string(op.Path))), []byte(hide.Apply(string(op.To)))
	return d.record.File(session, d.of(r), op)
}

// Files is Record.
func (d discreet) Files(session string, r gate.Request, many int) {
	d.record.Files(session, d.of(r), many)
}

// Unfollowed is Record.
func (d discreet) Unfollowed(session string, r gate.Request, why string) error {
	return d.record.Unfollowed(session, d.of(r), d.hide().Apply(why))
}

// Untaped is Record.
func (d discreet) Untaped(session string, r gate.Request, why string) error {
	return d.record.Untaped(session, d.of(r), d.hide().Apply(why))
}

// Egress is Record.
func (d discreet) Egress(r gate.Request, host string, port uint16, why string, count int) error {
	return d.record.Egress(d.of(r), d.hide().Apply(host), port, d.hide().Apply(why), count)
}

// Login is Record.
func (d discreet) Login(session string, who audit.Login) error {
	hide := d.hide()
	for _, field := range []*string{&who.Account, &who.Service, &who.Terminal, &who.From, &who.Why} {
		*field = hide.Apply(*field)
	}
	return d.record.Login(session, who)
}

// Service is Record.
func (d discreet) Service(what string) error { return d.record.Service(what) }

// State is Record.
func (d discreet) State() audit.State { return d.record.State() }

// Settle is Record.
func (d discreet) Settle() error { return d.record.Settle() }
