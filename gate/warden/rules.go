package warden

import (
	"sync/atomic"
	"time"

	"forkgate/fork"
	"forkgate/gate"
	"forkgate/gate/policy"
	"forkgate/gate/provenance"
)

// Policy is what the warden asks of a policy. *policy.Policy is one.
type Policy interface {
	gate.Judge
	gate.Witness
	Principal(key []byte) (policy.Principal, bool) // key in SSH wire format
	PrincipalByName(name string) (policy.Principal, bool)
	Attestors() []provenance.Attestor
	Authorities() []provenance.Authority
	SecurityKeys() []provenance.SecurityKey // those that are marked
	Names() []string                        // of the principals
	Repository(name string) policy.Repository
	Repositories() []string                  // that have a block; they need not exist
	Missing(exist []string) []policy.Problem // what rules name that does not exist
	Autostart() []string                     // repositories
	Accounts() []string                      // of this host, that somebody may speak by
	Pods() policy.Pods
	Connections() policy.Connections
	Recordings() policy.Recordings
	Redactions() gate.Redactions
	Scrubs(repo string) []policy.Scrub
	Contents() policy.Contents
}

// The operator, as policy and the log know him. No key speaks for that name: it comes from the socket.
const (
	operatorName = "operator"
	operatorDoor = policy.DoorOperator
	sshDoor      = policy.DoorSSH
	sshdDoor     = policy.DoorSSHD
)

// rules is the policy in force. Files that do not load leave it as it is; as long as none has loaded, the doors are shut.
type rules struct {
	load   func() (Policy, error)
	now    func() time.Time
	lookUp func(account string) (uid uint32, err error) // on this host
	has    atomic.Pointer[inForce]
}

type inForce struct {
	policy   Policy // nil: none has loaded yet
	since    time.Time
	accounts map[uint32]string // of those that policy names, and this host had when the policy was loaded
	unknown  error             // which of them it had not
	err      error             // why the files as they are now do not load
	changes  string            // what is not as in the policy before; empty: there was none
}

func newRules(load func() (Policy, error), now func() time.Time) *rules {
	r := &rules{load: load, now: now, lookUp: lookUpAccount}
	r.has.Store(&inForce{})
	return r
}

// reload reads the files again. One goroutine calls it.
func (r *rules) reload() error {
	loaded, err := r.load()
	next := &inForce{policy: loaded, since: r.now()}
	if err != nil {
		last := *r.has.Load()
		next = &last
		next.err = err
	} else {
		next.accounts, next.unknown = accountsOf(loaded.Accounts(), r.lookUp)
		if last := r.has.Load().policy; last != nil {
			next.changes = loaded.Contents().Since(last.Contents()).String()
		}
	}
	r.has.Store(next)
	return err
}

// shut is the refusal that the doors have for everybody as long as no policy has loaded.
func (r *rules) shut() error {
	if r.has.Load().policy != nil {
		return nil
	}
	return &gate.Refusal{
		Reason: "the policy does not load, so the doors are shut",
		Hint:   "the operator finds out why with: forkgate policy check",
	}
}

// Principal finds who has a key.
func (r *rules) Principal(key []byte) (policy.Principal, bool) {
	if p := r.has.Load().policy; p != nil {
		return p.Principal(key)
	}
	return policy.Principal{}, false
}

// PrincipalByName finds a principal.
func (r *rules) PrincipalByName(name string) (policy.Principal, bool) {
	if p := r.has.Load().policy; p != nil {
		return p.PrincipalByName(name)
	}
	return policy.Principal{}, false
}

// Attestors lists the workstations whose statements are believed.
func (r *rules) Attestors() []provenance.Attestor {
	if p := r.has.Load().policy; p != nil {
		return p.Attestors()
	}
	return nil
}

// Authorities lists whose certificates say whose a key is.
func (r *rules) Authorities() []provenance.Authority {
	if p := r.has.Load().policy; p != nil {
		return p.Authorities()
	}
	return nil
}

// SecurityKeys lists the security keys that are marked.
func (r *rules) SecurityKeys() []provenance.SecurityKey {
	if p := r.has.Load().policy; p != nil {
		return p.SecurityKeys()
	}
	return nil
}

// Names lists the principals.
func (r *rules) Names() []string {
	if p := r.has.Load().policy; p != nil {
		return p.Names()
	}
	return nil
}

// Repository is what policy says of a grand repository; without a policy it publishes and reaches nothing.
func (r *rules) Repository(name string) policy.Repository {
	if p := r.has.Load().policy; p != nil {
		return p.Repository(name)
	}
	return policy.Repository{Linger: policy.DefaultLinger}
}

// share is what a principal's forks may come to.
func (r *rules) share() fork.Share {
	pods := r.Pods()
	return fork.Share{Forks: pods.Forks, Quota: pods.Quota}
}

// Pods is what policy says of all pods; without a policy the defaults.
func (r *rules) Pods() policy.Pods {
	if p := r.has.Load().policy; p != nil {
		return p.Pods()
	}
	return policy.DefaultPods()
}

// Connections is what SSH connections may have open; without a policy the defaults.
func (r *rules) Connections() policy.Connections {
	if p := r.has.Load().policy; p != nil {
		return p.Connections()
	}
	return policy.DefaultConnections()
}

// Recordings is what recordings of sessions may take; without a policy the defaults.
func (r *rules) Recordings() policy.Recordings {
	if p := r.has.Load().policy; p != nil {
		return p.Recordings()
	}
	return policy.DefaultRecordingBounds()
}

// Redactions are what no record shows; without a policy nothing is known that would have to be hidden, and nobody enters.
func (r *rules) Redactions() gate.Redactions {
	if p := r.has.Load().policy; p != nil {
		return p.Redactions()
	}
	return nil
}

// Caller says who speaks. The operator's door is open to root alone, which is all the evidence there.
func (r *rules) Caller(e gate.Evidence) gate.Caller {
	p := r.has.Load().policy
	switch {
	case e.Door == operatorDoor:
		return gate.Caller{
			Principal: operatorName, Kind: gate.Human, Class: gate.ClassKey,
			Evidence: []string{"root on this host spoke on the operator's socket"},
		}
	case p != nil:
		return p.Caller(e)
	}
	return gate.Caller{Principal: e.Principal, Evidence: []string{"the policy does not load"}}
}

// Decide asks the policy in force. Without one the operator may do what it takes to mend that; nobody else may do anything.
func (r *rules) Decide(q gate.Request) gate.Decision {
	p := r.has.Load().policy
	switch {
	case p != nil:
		return p.Decide(q)
	case q.Door == operatorDoor:
		d := gate.Decision{Verdict: gate.Permit, Rule: "operator, as long as the policy does not load"}
		if q.Op == gate.OpFork {
			limits := policy.DefaultLimits()
			d.Limits = &limits
		}
		return d
	}
	return gate.Decision{Reason: "the policy does not load"}
}

// autostart lists the repositories that run whether or not somebody is there.
func (r *rules) autostart() []string {
	if p := r.has.Load().policy; p != nil {
		return p.Autostart()
	}
	return nil
}

// missing says which repositories rules name that are not among those which exist.
func (r *rules) missing(exist []string) []policy.Problem {
	if p := r.has.Load().policy; p != nil {
		return p.Missing(exist)
	}
	return nil
}

// repositories lists those that have a block in the policy.
func (r *rules) repositories() []string {
	if p := r.has.Load().policy; p != nil {
		return p.Repositories()
	}
	return nil
}
