package warden

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/crypto/ssh"

	"forkgate/gate"
	"forkgate/gate/provenance"
	"forkgate/gate/provenance/presence"
	"forkgate/gate/warden/client"
	"forkgate/nsjail/wire"
)

// identity is what the door has seen proved about a connection. Which principal an ordinary key belongs to is looked up for each
// request: a key that policy has dropped since opens nothing more.
type identity struct {
	user    string // the SSH user name: a ref, or the control user
	key     ssh.PublicKey
	version string
	source  netip.Addr
	session []byte // id of the SSH connection

	account   string       // of the host, whose sshd says that key signed in; empty at the gate
	attested  *attestation // nil: an ordinary key
	authority string       // fingerprint of the key that certified this one, of an authority of the policy's; empty: none
	principal string       // whose connection it is
	entered   atomic.Bool  // it has had its session
	atHome    atomic.Bool  // its commands begin by going home

	said said // of agents, by its sessions

	touched ssh.PublicKey // a security key of the principal's, whose signature for this connection was verified; nil: none
	tried   bool          // one has been handed over, good or not
}

// said is what the sessions of a connection have said of an agent.
type said struct {
	mu    sync.Mutex
	marks [][]byte
}

// maxSaid bounds how many marks are remembered: a session brings a few.
const maxSaid = 256

// with takes in what a session says, and returns that together with what others have said, and whether it is news to these.
func (s *said) with(marks [][]byte) (all [][]byte, news bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := len(s.marks)
	all = slices.Clone(marks)
	for _, earlier := range s.marks {
		if !slices.ContainsFunc(all, func(m []byte) bool { return bytes.Equal(m, earlier) }) {
			all = append(all, earlier)
		}
	}
	s.marks = all[:min(len(all), maxSaid)]
	return all, len(s.marks) > known
}

// once lets one session come of a certificate, whatever the door says: what an attestor has said of a process is about what that
// process opened.
func (i *identity) once() error {
	if i == nil || i.attested == nil || !i.entered.Swap(true) {
		return nil
	}
	return &gate.Refusal{Reason: "a connection with a certificate carries one session", Hint: "open another connection"}
}

// identify answers whether some principal has a key that a client offers, or an attestor or authority of ours made the certificate.
func identify(_ context.Context, r *request, q client.IdentifyRequest) (answer, error) {
	if shut := r.rules.shut(); shut != nil {
		return answer{}, shut
	}
	if q.Touch {
		return answer{body: client.IdentifyReply{Known: r.touchable(q.Key)}}, nil
	}
	if _, known := r.rules.Principal(q.Key); known {
		return answer{body: client.IdentifyReply{Known: true}}, nil
	}
	key, err := ssh.ParsePublicKey(q.Key)
	cert, ok := key.(*ssh.Certificate)
	if err != nil || !ok {
		return answer{body: client.IdentifyReply{}}, nil
	}
	known := r.ours(cert)
	if !known && r.strangers.AllowN(r.now(), 1) {
		// The refusal itself is the answer: the door asks, and nobody waits for more than a yes.
		why := fmt.Errorf("%w: its key is %s", provenance.ErrUnknownCA, ssh.FingerprintSHA256(cert.SignatureKey))
		if err := r.refuseCertificate(cert, &identity{source: q.Source.Addr().Unmap()}, why); !isRefusal(err) {
			return answer{}, err
		}
	}
	return answer{body: client.IdentifyReply{Known: known}}, nil
}

func isRefusal(err error) bool {
	_, ok := gate.AsRefusal(err)
	return ok
}

// assert takes the door's word for who speaks on this connection, once, and only for a handshake that this warden signed. A
// certificate it verifies itself.
func assert(ctx context.Context, r *request, q client.AssertRequest) (answer, error) {
	hostKey, ok := r.signed.by(q.SessionID, r.now())
	if !ok {
		// After a restart of the warden honest doors end here as well, with connections that are older.
		r.journal.Warn("an identity was asserted for a session id that was not signed here within the last minute", "session", r.session)
		return answer{}, &gate.Refusal{
			Reason: "the warden knows nothing of this connection's handshake: it has been restarted since",
			Hint:   "connect again",
		}
	}
	key, err := ssh.ParsePublicKey(q.Key)
	if err != nil {
		return answer{}, fmt.Errorf("%w: assert: %v", wire.ErrMalformed, err)
	}
	who := &identity{
		user: string(q.User), key: key, version: string(q.ClientVersion), source: q.Source.Addr().Unmap(), session: q.SessionID,
	}
	if err := r.recognize(who, hostKey); err != nil {
		return answer{}, err
	}
	if err := r.login(who); err != nil {
		return answer{}, err
	}
	r.metrics.took.WithLabelValues(timedHandshake).Observe(r.now().Sub(r.arrived).Seconds())
	r.metrics.took.WithLabelValues(timedLogin).Observe(r.now().Sub(r.signed.at(q.SessionID)).Seconds())
	reply := client.AssertReply{Single: who.attested != nil || r.mayBePerson(), Bounds: r.bounds(), Touch: r.asksForTouch(ctx)}
	if reply.Touch {
		reply.Sign = r.toSign(who)
	}
	return answer{body: reply}, nil
}

// bounds are what policy lets a connection have open, as it begins.
func (r *request) bounds() client.Bounds {
	c := r.rules.Connections()
	return client.Bounds{Sessions: c.Sessions, Forwards: c.Forwards, Idle: c.Idle}
}

// recognize finds out whose the key is that has signed the connection.
func (r *request) recognize(who *identity, hostKey ssh.PublicKey) error {
	cert, ok := who.key.(*ssh.Certificate)
	if !ok {
		principal, known := r.rules.Principal(who.key.Marshal())
		if !known {
			return unknownKey(who.key)
		}
		who.principal = principal.Name
		return nil
	}
	if _, known := provenance.AuthorityOf(cert, r.rules.Authorities()); known {
		return r.certifiedKey(cert, who)
	}
	return r.certified(cert, provenance.Connection{SessionID: who.session, HostKey: hostKey}, who)
}

// login is one of a principal's connections into pods, or those to the gate itself, where who is at the limit sees what he has.
type login struct {
	principal string
	control   bool
}

// login makes the connection its principal's, until it ends.
func (r *request) login(who *identity) error {
	logout, ok := r.logins.take(login{who.principal, gate.IsControl(who.user)})
	if !ok {
		return r.refuseLogin(who)
	}
	r.logout, r.identity = logout, who
	r.metrics.logins.WithLabelValues(r.role.standing().door).Inc()
	return nil
}

// refuseLogin records that somebody has too many connections, once for each that is too many: the door asks again where a session hears of it.
func (r *request) refuseLogin(who *identity) error {
	refusal := &gate.Refusal{
		Reason: fmt.Sprintf("%s has %d connections already, which is the limit", who.principal, r.rules.Connections().Principal),
		Hint:   "end some of them",
	}
	if r.turnedAway {
		return refusal
	}
	r.turnedAway = true
	asked := gate.Request{
		Caller: gate.Caller{Principal: who.principal, Key: ssh.FingerprintSHA256(who.key), Evidence: []string{}}, Source: who.source, Door: sshDoor,
	}
	if err := r.log.Refused(r.session, asked, refusal.Reason); err != nil {
		return err
	}
	return refusal
}

// mayBePerson reports whether a session on this connection could be a person's, if no mark of an agent comes with it.
func (r *request) mayBePerson() bool {
	evidence, err := r.evidence(true, nil, nil)
	return err != nil || r.rules.Caller(evidence).Kind == gate.Human
}

func unknownKey(key ssh.PublicKey) *gate.Refusal {
	return &gate.Refusal{
		Reason: "no principal has the key " + ssh.FingerprintSHA256(key),
		Hint:   "ask the operator to add it to a principal of the policy",
	}
}

// evidence gathers what is known of who speaks on one channel. marks and env are both evidence: a mark that a session is to
// see as well is still a mark.
// alone is the client's promise that no other session comes on this connection.
func (r *request) evidence(alone bool, marks, env [][]byte) (gate.Evidence, error) {
	if r.role == operator {
		return gate.Evidence{Principal: operatorName, Door: operatorDoor}, nil
	}
	evidence, err := r.evidenceOf(r.identity)
	evidence.Env, evidence.Alone = append(texts(marks), texts(env)...), alone
	return evidence, err
}

// evidenceOf is what is known of the connection.
func (r *request) evidenceOf(who *identity) (gate.Evidence, error) {
	if shut := r.rules.shut(); shut != nil {
		return gate.Evidence{}, shut
	}
	evidence := gate.Evidence{
		Principal: who.principal, Key: ssh.FingerprintSHA256(plain(who.key)),
		ClientVersion: who.version, Source: who.source, Door: r.role.standing().door,
	}
	if who.attested != nil {
		evidence.Attestor, evidence.Statement = who.attested.attestor, who.attested.statement
		evidence.Touch, evidence.Untouched = r.touchOf(who)
		return evidence, nil
	}
	if who.authority != "" {
		evidence.Authority = who.authority
		return evidence, r.stillCertified(who)
	}
	principal, known := r.rules.Principal(plain(who.key).Marshal())
	if !known {
		return gate.Evidence{}, unknownKey(plain(who.key))
	}
	if r.role == account && !slices.Contains(principal.Accounts, who.account) {
		return gate.Evidence{}, &gate.Refusal{
			Reason: fmt.Sprintf("%s does not speak by the account %s", principal.Name, who.account),
			Hint:   "ask the operator to add it to the principal's accounts",
		}
	}
	evidence.Principal, evidence.SecurityKey = principal.Name, presence.IsSecurityKey(who.key)
	return evidence, nil
}

// plain is the key that signs: a certificate's own, or the key itself.
func plain(key ssh.PublicKey) ssh.PublicKey {
	if cert, ok := key.(*ssh.Certificate); ok {
		return cert.Key
	}
	return key
}

func texts(words [][]byte) []string {
	all := make([]string, len(words))
	for i, w := range words {
		all[i] = string(w)
	}
	return all
}
