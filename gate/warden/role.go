package warden

import "golang.org/x/sys/unix"

// role is what a peer is to the warden. The zero role is nobody, and may say nothing.
type role uint8

const (
	nobody role = 0
	door   role = 1 << iota // the process that speaks SSH
	operator
)

func (r role) String() string {
	switch r {
	case door:
		return "door"
	case operator:
		return "operator"
	}
	return "nobody"
}

// Socket is one of the warden's places, and with it who may speak there.
type Socket struct {
	speaks role
	uid    uint32
}

// DoorSocket is where doors speak, which run as uid. Root on that socket is nobody: it has one of its own.
func DoorSocket(uid uint32) Socket { return Socket{speaks: door, uid: uid} }

// OperatorSocket is where the operator's commands speak.
func OperatorSocket() Socket { return Socket{speaks: operator, uid: 0} }

// role of a peer that the kernel says is cred.
func (s Socket) role(cred *unix.Ucred) role {
	if cred.Uid != s.uid {
		return nobody
	}
	return s.speaks
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
