package warden

import (
	"golang.org/x/sys/unix"

	"forkgate/gate"
)

// role is what a peer is to the warden. The zero role is nobody, and may say nothing.
type role uint8

const (
	nobody  role = 0
	door    role = 1 << iota // the process that speaks SSH
	account                  // a process that speaks for the account it runs as: the ForceCommand of the host's own sshd
	operator
	outlet // forkgate-egress, which tells of what it did not let out, and nothing else
)

// standing is what those can be at most who speak by a role, whatever policy says of them.
type standing struct {
	name        string
	door        string     // as policy and the record know it
	class       gate.Class // of their evidence, at best
	persons     bool       // some of them may be persons
	grand       bool       // they may do something in a grand repository
	records     bool       // what they do can be recorded
	connections int        // of one uid
}

// anyClass bounds nothing.
const anyClass = ^gate.Class(0)

// standings is the table. sshd tells forkgate session of no session id, so that no certificate can be bound to the connection, and not
// who else uses the connection: an account's callers are agents, and stay out of production.
func standings() map[role]standing {
	return map[role]standing{
		door:     {name: "door", door: sshDoor, class: anyClass, persons: true, grand: true, records: true, connections: maxConnections},
		account:  {name: "account", door: sshdDoor, class: gate.ClassKey, connections: maxSessions},
		outlet:   {name: "egress", connections: 4},
		operator: {name: "operator", door: operatorDoor, class: anyClass, persons: true, grand: true, connections: maxConnections},
	}
}

func (r role) standing() standing { return standings()[r] }

// roleOf is who speaks by a door, as policy calls it.
func roleOf(door string) role {
	for r, s := range standings() {
		if door != "" && s.door == door {
			return r
		}
	}
	return nobody
}

func (r role) String() string {
	if name := r.standing().name; name != "" {
		return name
	}
	return "nobody"
}

// bounded is policy as far as it goes for a role.
type bounded struct {
	*rules
	standing
}

// Caller is gate.Witness.
func (b bounded) Caller(e gate.Evidence) gate.Caller {
	who := b.rules.Caller(e)
	who.Class = min(who.Class, b.class)
	if who.Kind == gate.Human && !b.persons {
		who.Kind = gate.Agent
		who.Evidence = append(who.Evidence, "sshd says nothing of who else may use its connection, so that nobody is a person there")
	}
	return who
}

// Decide is gate.Judge. What a grand repository is called and holds in general is no part of production.
func (b bounded) Decide(q gate.Request) gate.Decision {
	if q.Target.Grand && !b.grand && q.Op != gate.OpList && q.Op != gate.OpShow {
		return gate.Decision{
			Reason: q.Target.Ref() + " is a grand (production) repository, and nobody gets there through sshd",
			Hint:   "name a fork of it, such as " + q.Target.Repo + "+NAME",
		}
	}
	return b.recorded(b.rules.Decide(q))
}

// recorded refuses what has to be recorded, and cannot be: nothing is recorded of who comes through sshd.
func (b bounded) recorded(d gate.Decision) gate.Decision {
	if b.records || d.Verdict != gate.Permit || d.Record == gate.Unrecorded {
		return d
	}
	if d.Record != gate.Required {
		d.Record = gate.Unrecorded
		return d
	}
	return gate.Decision{Rule: d.Rule, Where: d.Where, Reason: "this session has to be recorded, and nothing is recorded that comes through sshd", Hint: "come through the gate"}
}

// Socket is one of the warden's places, and with it who may speak there.
type Socket struct {
	speaks map[uint32]role // by uid
	others role            // what every other uid is
}

// DoorSocket is where doors speak, which run as one uid, and forkgate-egress, which runs as another; 0 is none. Everybody else there speaks for the
// own account, and root has none.
func DoorSocket(doors, egress uint32) Socket {
	s := Socket{speaks: map[uint32]role{egress: outlet, doors: door}, others: account}
	delete(s.speaks, 0)
	return s
}

// OperatorSocket is where the operator's commands speak.
func OperatorSocket() Socket { return Socket{speaks: map[uint32]role{0: operator}} }

// role of a peer that the kernel says is cred.
func (s Socket) role(cred *unix.Ucred) role {
	if r, named := s.speaks[cred.Uid]; named {
		return r
	}
	return s.others
}

// phase is the part of a connection's life in which a message has its place.
type phase uint8

const (
	never  phase = 0
	before phase = 1 << iota // before the identity is asserted
	after
	always = before | after
)

func (p phase) has(asserted bool) bool {
	if asserted {
		return p&after != 0
	}
	return p&before != 0
}
