package wire

import (
	"errors"
	"fmt"
)

// ErrVersion says that two parts do not understand each other.
var ErrVersion = errors.New("parts of forkgate are of builds too far apart")

// Protocol is what two parts of forkgate say to each other. They are restarted one after the other when they are replaced, and a pod runs for weeks: each
// is understood in two versions, the newest and the one before.
//
// Who opens a connection says by Message.Version of its first message what it speaks. Who answers takes what it knows, and tells of any other by
// TypeVersions, before it has done anything. Who asks a pod comes again with less then: the pod goes on when the warden and the doors are replaced. Nobody else
// does: of two that are replaced, the one that answers goes first.
//
// Whoever changes what is said raises Newest, keeps the messages of the version before in testdata, where tests speak them, and has what is older go.
type Protocol struct {
	What           string // is said by it, for messages
	Oldest, Newest int
	Mend           string // what to restart where two do not understand each other
}

// Doors is between the warden and whoever comes to its sockets: the gate, forkgate session, the operator's commands, forkgate-egress. As of all of
// these, messages of builds that knew no versions are of the first.
func Doors() Protocol {
	return Protocol{"the warden's", 1, 2, "systemctl restart forkgate-warden; systemctl reload forkgate-gate"}
}

// Pods is between the warden, or a door, and what runs in a pod.
func Pods() Protocol {
	return Protocol{"a pod's", 1, 1, "systemctl restart forkgate-warden; where it is the older one, systemctl stop 'forkgate-pod@GUID', which the next login starts again"}
}

// Net is between a pod's supervisor and forkgate-net.
func Net() Protocol { return Protocol{"forkgate-net's", 1, 1, "systemctl restart forkgate-net"} }

// Egress is between a pod's supervisor and forkgate-egress.
func Egress() Protocol {
	return Protocol{"forkgate-egress's", 1, 1, "systemctl restart forkgate-egress"}
}

// Specs is how the warden writes a pod's spec, for its supervisor.
func Specs() Protocol {
	return Protocol{"a pod's spec's", 1, 1, "systemctl restart forkgate-warden"}
}

// All lists them.
func All() []Protocol { return []Protocol{Doors(), Pods(), Net(), Egress(), Specs()} }

// TypeVersions answers a first message of a version that is not spoken.
const TypeVersions = "versions"

// Versions are those that are.
type Versions struct {
	Oldest int `json:"oldest"`
	Newest int `json:"newest"`
}

// Knows reports whether a version is spoken; 0 is the first.
func (p Protocol) Knows(version int) bool {
	return p.Oldest <= max(version, 1) && max(version, 1) <= p.Newest
}

// Foreign is what to say of a version that is not spoken.
func (p Protocol) Foreign(theirs string) error {
	return fmt.Errorf("%w: of %s protocol the other side speaks version %s, and this program, of another build, %s; %s", ErrVersion, p.What, theirs,
		spoken(p.Oldest, p.Newest), p.Mend)
}

// Admit looks at the first message of a connection. It tells whoever speaks another version so, and returns an error: the connection is not to be used
// further.
func (p Protocol) Admit(conn *Conn, first Message) error {
	if p.Knows(first.Version) {
		return nil
	}
	_ = conn.Send(first.ID, TypeVersions, Versions{p.Oldest, p.Newest})
	return p.Foreign(fmt.Sprint(first.Version))
}

// Understood is nil, unless a message says that the other side does not speak the version of this one.
func (p Protocol) Understood(m Message) error {
	var theirs Versions
	if m.Type != TypeVersions {
		return nil
	}
	if err := m.Decode(&theirs); err != nil {
		return err
	}
	return &differs{theirs, p.Foreign(spoken(theirs.Oldest, theirs.Newest))}
}

// differs is what Understood says, with what the other side speaks.
type differs struct {
	theirs Versions
	error
}

func (d *differs) Unwrap() error { return d.error }

// Older is how to come again where that is why it was not understood, and the other side speaks an older version that is known here. It is for parts that go
// on when the others are replaced.
func (p Protocol) Older(why error) (older Protocol, there bool) {
	var d *differs
	if !errors.As(why, &d) || d.theirs.Newest >= p.Newest || d.theirs.Newest < p.Oldest {
		return p, false
	}
	p.Newest = d.theirs.Newest
	return p, true
}

func spoken(oldest, newest int) string {
	if oldest == newest {
		return fmt.Sprint(newest)
	}
	return fmt.Sprintf("%d to %d", oldest, newest)
}
