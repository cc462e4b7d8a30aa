package provenance

import (
	"fmt"
	"strings"

	"golang.org/x/crypto/ssh"

	"forkgate/gate"
)

// OverrideVariable is where a person says, before an agent is started, which repositories it may enter. What a client sends of that
// name is worth nothing but an answer.
const OverrideVariable = "REDIACC_ALLOW_GRAND_REPO"

// openSSH is how the identification strings of OpenSSH's clients start (RFC 4253 section 4.2).
const openSSH = "SSH-2.0-OpenSSH_"

// believe reads again what was verified when the connection was made, by the attestors of now: policy may have changed since.
func believe(attestors []Attestor, e gate.Evidence) (Attested, error) {
	for _, a := range attestors {
		if a.Key == nil || ssh.FingerprintSHA256(a.Key) != e.Attestor {
			continue
		}
		s, err := DecodeStatement(e.Statement)
		if err != nil {
			return Attested{}, err
		}
		if known, ok := a.Principals[s.UID]; !ok || known != e.Principal {
			return Attested{}, fmt.Errorf("%w: uid %d of %s is not %q", ErrPrincipal, s.UID, a.Name, e.Principal)
		}
		return Attested{Attestor: a.Name, Principal: e.Principal, Statement: s, Missing: a.missing(s)}, nil
	}
	return Attested{}, ErrUnknownCA
}

// readAttestation takes what the attestor says, and reports whether it speaks of a person.
func readAttestation(caller *gate.Caller, a Attested, e gate.Evidence, say func(string)) (person bool) {
	s := a.Statement
	name := gate.Printable(a.Attestor)
	caller.Class, caller.Attestor, caller.Attested = gate.ClassAttested, a.Attestor, s.Verdict.String()
	say("a certificate of the attestor " + name + " for this connection says: " + s.Verdict.String())
	if s.Agent != "" {
		caller.Agent = s.Agent
	}
	for _, reason := range s.Reasons {
		reason = name + " says: " + gate.Printable(reason)
		if s.Verdict == ByAgent {
			caller.Mark(reason)
			continue
		}
		say(reason)
	}
	for _, l := range s.Chain {
		caller.Chain = append(caller.Chain, fmt.Sprintf("%s, process %d of uid %d", gate.Printable(l.Name), l.PID, l.UID))
	}
	for _, p := range a.Missing {
		// Of an old login the attestor does not say what it would say of a new one.
		say(name + " does not say of this login that the protection " + string(p) + " held, which policy asks for")
	}
	if a.Person() && !strings.HasPrefix(e.ClientVersion, openSSH) {
		say("the client is " + gate.Printable(e.ClientVersion) + ", and attestors speak for OpenSSH alone")
		return false
	}
	return a.Person()
}

// sayMissing tells a principal that has an attestor, and comes without its word, where to look.
func sayMissing(attestors []Attestor, principal string, say func(string)) {
	for _, a := range attestors {
		for _, known := range a.Principals {
			if known == principal {
				say("no certificate came of the attestor " + gate.Printable(a.Name) + ": on that workstation this host needs " +
					"IdentityAgent /run/forkgate/attest.sock in ssh_config, and neither IdentitiesOnly yes nor another IdentityAgent before it")
				return
			}
		}
	}
}

// shareable reports whether others on the client's machine may use a person's connection. A stock ssh that offers it to nobody says
// so once it has opened its session; one with ControlMaster never does (PROTOCOL of OpenSSH, no-more-sessions@openssh.com).
func shareable(e gate.Evidence) bool { return !e.Alone && strings.HasPrefix(e.ClientVersion, openSSH) }

// overrideOf reads the override of an agent. attested is nil where no attestor speaks.
func overrideOf(attested *Attested, e gate.Evidence) gate.Override {
	sent := false
	for _, entry := range e.Env {
		value, ok := strings.CutPrefix(entry, OverrideVariable+"=")
		sent = sent || ok && value != ""
	}
	if attested == nil {
		if sent {
			return gate.Override{Refused: gate.OverrideUnattested}
		}
		return gate.Override{}
	}
	o := attested.Statement.Override
	switch {
	case o == nil && !sent:
		return gate.Override{}
	case o == nil && attested.Statement.Verdict == ByAgent:
		return gate.Override{Refused: gate.OverrideSetByAgent}
	case o == nil:
		return gate.Override{Refused: gate.OverrideUnseen}
	case o.Refused != "":
		return gate.Override{Refused: string(o.Refused)}
	}
	names, err := OverrideNames(o.Value)
	switch {
	case err != nil:
		return gate.Override{Refused: gate.OverrideMalformed}
	case len(attested.Missing) > 0, !e.Alone, !strings.HasPrefix(e.ClientVersion, openSSH):
		return gate.Override{Refused: gate.OverrideUnprotected}
	}
	granted := gate.Override{}
	for _, name := range names {
		if attested.Overrides(name) {
			granted.Repos = append(granted.Repos, name)
		}
	}
	if granted.Repos == nil {
		granted.Refused = gate.OverrideUnseen
	}
	return granted
}
