// Package succession has a service be succeeded by the program as it lies on the disk now, without a moment in which nobody serves its sockets:
// the one that runs starts the other, passes it the listening sockets, and waits until that says that it is ready. From then on the successor
// accepts, and who accepted before serves what it has. What fails before the service manager hears of the successor leaves all as it was.
//
// The two may be of different versions: what they say to each other begins with the version of that, and unknown ones are refused.
//
// It stops no service, decides nothing about connections, and trusts processes of its own user.
package succession

import "time"

// Between the one that serves and its successor, on a socket that the successor is born with, in this order.
const (
	typeBegin   = "begin"   // to the successor
	typeSocket  = "socket"  // to the successor, for each socket, which comes along
	typeReady   = "ready"   // to the one that serves; or wire.Refused
	typeServe   = "serve"   // to the successor: it is the one now
	typeServing = "serving" // to the one that serves: which accepts no more
)

// protocol is the version of that, and of the question to the one that serves.
const protocol = 1

// begin says what is to come.
type begin struct {
	Protocol int `json:"protocol"`
	Sockets  int `json:"sockets"`
}

// socket says what a socket is for.
type socket struct {
	Name string `json:"name"`
}

// descriptorVariable names the descriptor of the successor's socket.
const descriptorVariable = "FORKGATE_SUCCEEDS_BY"

// patience is how long a successor may take to be ready: a start of the program, and an answer of the warden, which may be starting as well.
const patience = 30 * time.Second
