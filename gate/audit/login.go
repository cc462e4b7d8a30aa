package audit

import (
	"net/netip"

	"forkgate/gate"
)

// pamDoor is the way past pods: to a shell on the host itself.
const pamDoor = "pam"

// Login is somebody who logs in to the host itself, or wants to.
type Login struct {
	Account, Service, Terminal string
	From                       string // the other host as sshd names it; empty: none, or it is not told
	Let                        bool
	Why                        string
}

// Login records it, before it happens.
func (l *Log) Login(session string, who Login) error {
	e := Entry{
		Event: EventLogin, Session: session, Door: pamDoor, Account: gate.Exact(who.Account), Service: gate.Exact(who.Service), Terminal: gate.Exact(who.Terminal),
		Verdict: gate.Forbid.String(), Reason: gate.Printable(who.Why),
	}
	if who.Let {
		e.Verdict = gate.Permit.String()
	}
	if source, err := netip.ParseAddr(who.From); err == nil {
		e.Source = &source
	} else if who.From != "" {
		e.Evidence = []string{"from " + gate.Exact(who.From)}
	}
	return l.write(e)
}
