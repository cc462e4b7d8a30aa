package warden

import (
	"context"
	"fmt"
	"net/netip"

	"golang.org/x/crypto/ssh"

	"forkgate/gate"
	"forkgate/gate/warden/client"
	"forkgate/nsjail/wire"
)

// identity is what the door has seen proved about a connection. Which principal the key belongs to is looked up for each
// request: a key that policy has dropped since opens nothing more.
type identity struct {
	user    string // the SSH user name: a ref, or the control user
	key     ssh.PublicKey
	version string
	source  netip.Addr
}

// identify answers whether some principal has a key that a client offers.
func identify(_ context.Context, r *request, q client.IdentifyRequest) (answer, error) {
	if shut := r.rules.shut(); shut != nil {
		return answer{}, shut
	}
	_, known := r.rules.Principal(q.Key)
	return answer{body: client.IdentifyReply{Known: known}}, nil
}

// assert takes the door's word for who speaks on this connection, once, and only for a handshake that this warden signed.
func assert(_ context.Context, r *request, q client.AssertRequest) (answer, error) {
	if !r.signed.has(q.SessionID, r.now()) {
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
	principal, known := r.rules.Principal(q.Key)
	if !known {
		return answer{}, unknownKey(key)
	}
	logout, ok := r.logins.take(principal.Name)
	if !ok {
		return answer{}, &gate.Refusal{
			Reason: fmt.Sprintf("%s has %d connections already, which is the limit", principal.Name, maxLogins),
			Hint:   "end some of them",
		}
	}
	r.logout = logout
	r.identity = &identity{
		user: string(q.User), key: key, version: string(q.ClientVersion), source: q.Source.Addr().Unmap(),
	}
	return answer{body: struct{}{}}, nil
}

func unknownKey(key ssh.PublicKey) *gate.Refusal {
	return &gate.Refusal{
		Reason: "no principal has the key " + ssh.FingerprintSHA256(key),
		Hint:   "ask the operator to add it to a principal of the policy",
	}
}

// evidence gathers what is known of who speaks on one channel. marks and env are both evidence: a mark that a session is to
// see as well is still a mark.
func (r *request) evidence(marks, env [][]byte) (gate.Evidence, error) {
	if r.role == operator {
		return gate.Evidence{Principal: operatorName, Door: operatorDoor}, nil
	}
	if shut := r.rules.shut(); shut != nil {
		return gate.Evidence{}, shut
	}
	principal, known := r.rules.Principal(r.identity.key.Marshal())
	if !known {
		return gate.Evidence{}, unknownKey(r.identity.key)
	}
	return gate.Evidence{
		Principal: principal.Name, Key: ssh.FingerprintSHA256(r.identity.key),
		ClientVersion: r.identity.version, Source: r.identity.source, Door: sshDoor,
		Env: append(texts(marks), texts(env)...),
	}, nil
}

func texts(words [][]byte) []string {
	all := make([]string, len(words))
	for i, w := range words {
		all[i] = string(w)
	}
	return all
}
