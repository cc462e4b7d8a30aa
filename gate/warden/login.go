package warden

import (
	"context"
	"fmt"

	"forkgate/gate/audit"
	"forkgate/gate/warden/client"
	"forkgate/nsjail/wire"
)

// maxLogin is more than a field of a login has.
const maxLogin = 512

// hostLogin takes note of who logs in to the host itself. Root's word is all there is for it: policy has none for what lies outside of pods, and root,
// which runs forkgate pam, needs no leave. It is on the disk before it is answered, though this is the operator's socket.
func hostLogin(_ context.Context, r *request, q client.LoginRequest) (answer, error) {
	for _, field := range []string{q.Account, q.Service, q.Terminal, q.From, q.Why} {
		if len(field) > maxLogin {
			return answer{}, fmt.Errorf("%w: login: %.80q", wire.ErrMalformed, field)
		}
	}
	if q.Account == "" || q.Service == "" {
		return answer{}, fmt.Errorf("%w: login of nobody, or by nothing", wire.ErrMalformed)
	}
	err := r.log.Login(r.session, audit.Login{Account: q.Account, Service: q.Service, Terminal: q.Terminal, From: q.From, Let: q.Let, Why: q.Why})
	if err == nil {
		err = r.log.Settle()
	}
	return answer{body: struct{}{}}, err
}
