package warden

import (
	"golang.org/x/crypto/ssh"

	"forkgate/gate"
)

// Extensions of certificates that say what who comes by one may have (PROTOCOL.certkeys of OpenSSH). As with sshd, what is not there is not had.
const (
	permitPTY   = "permit-pty"
	permitPorts = "permit-port-forwarding"
	permitAgent = "permit-agent-forwarding"
)

// withoutAgent promises nothing of a certificate that has the extension: the baseline has an ssh-agent come along into a fork of a person's, and an authority's
// certificate makes nobody one. A policy of the operator's may say otherwise.
const withoutAgent = "ssh -a; by default policy lets only people's come along, and an authority's certificate makes nobody a person"

// lacks reports whether an authority's certificate makes the key its principal's, and has no such extension. Certificates of attestors, which are of our own
// making, have none at all; and an ordinary key has no certificate.
func (i *identity) lacks(extension string) bool {
	if i.authority == "" {
		return false
	}
	cert, ok := i.key.(*ssh.Certificate)
	if !ok {
		return true
	}
	_, has := cert.Extensions[extension]
	return !has
}

// heedExtensions refuses what the certificate of an authority's lets nobody have, whatever policy says of it. Of an ssh-agent the caller is told that it stays
// outside, as where policy refuses it, and the session comes about without. The record has each.
func (r *request) heedExtensions(ask *gate.Ask) error {
	switch {
	case ask.Op.IsForward() && r.identity.lacks(permitPorts):
		return r.refuseExtension(*ask, &gate.Refusal{
			Reason: "your certificate permits no forwarding: it has no " + permitPorts, Hint: "ask for a certificate that has it",
		})
	case ask.Work.Terminal != nil && r.identity.lacks(permitPTY):
		return r.refuseExtension(*ask, &gate.Refusal{
			Reason: "your certificate permits no terminal: it has no " + permitPTY, Hint: "ssh -T, or ask for a certificate that has it",
		})
	case ask.Work.Agent && r.identity.lacks(permitAgent):
		ask.Work.Agent = false
		asked := *ask
		asked.Op, asked.Work.Command = gate.OpAgentForward, nil
		refusal := &gate.Refusal{Reason: "your certificate does not permit it: it has no " + permitAgent, Hint: withoutAgent}
		if err := r.refuseExtension(asked, refusal); !isRefusal(err) {
			return err
		}
		ask.Note(gate.AgentRefused(refusal))
	}
	return nil
}

// refuseExtension records what is refused, and returns what the caller is told: it is the caller's own certificate, of which anybody can read that.
func (r *request) refuseExtension(ask gate.Ask, refusal *gate.Refusal) error {
	asked := r.gate.Request(ask)
	asked.Target = gate.Target{Repo: ask.Ref.Repo, Tag: ask.Ref.Tag}
	if err := r.log.Refused(r.session, asked, refusal.Reason); err != nil {
		return err
	}
	return refusal
}
