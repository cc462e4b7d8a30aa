package wire

// Forward is where a session connects to that is somebody's forward. Once it is connected it writes ForwardOK to standard error; where it cannot, why.
//
// One that listens has a socket in place of standard input, by which it offers what connects to it: see the types below.
type Forward struct {
	Network string `json:"network"` // tcp or unix
	Address string `json:"address"` // HOST:PORT, or a path
	Listen  bool   `json:"listen,omitempty"`
}

// ForwardOK is what a session that dials says when it is connected, and the only thing that it says then.
const ForwardOK = "connected\n"

// Between a door and what listens inside for it. TypeStop asks it to listen no more; what it carries goes on.
const (
	TypeListening = "listening" // inside to door, first; or TypeNo
	TypeArrived   = "arrived"   // inside to door: somebody has connected; the ID names that from now on. Answered by TypeCarry or TypeNo
	TypeCarry     = "carry"     // door to inside, with two pipes: what is to be sent to who has connected, and where what that sends is to go
	TypeCarrying  = "carrying"  // inside to door: the pipes are there. Before it nothing else is offered, so that no descriptors pile up on the way
	TypeCarried   = "carried"   // inside to door: that connection is over; door to inside: the client's end of it is, and nothing is to come back
	TypeStopped   = "stopped"   // inside to door: nothing listens any more
)

// Listening says where.
type Listening struct {
	Port uint16 `json:"port,omitempty"` // of TCP
}

// Arrived says who has connected.
type Arrived struct {
	Address string `json:"address,omitempty"` // of TCP; a pod's word
	Port    uint16 `json:"port,omitempty"`
}
