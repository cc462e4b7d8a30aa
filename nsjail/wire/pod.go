package wire

import "time"

// Between the host and a pod's session init, on the pod's control socket.
const (
	TypeExec  = "exec"  // host to pod, and its answer
	TypeTaken = "taken" // pod to host, before the answer: from here on something may run
	TypeNo    = "no"    // pod to host: the answer where it did not work
	TypeOver  = "over"  // pod to host, once nothing is left of the session
)

// Exec asks for a session. With it come the pod's end of the session's socket and then, where there is no terminal, the
// pod's ends of stdin, stdout and stderr; last the socket for the caller's ssh-agent, where that comes along. The answer comes
// with the terminal's master, where there is one.
type Exec struct {
	Session  string    `json:"session"`           // names it in the log, and its cgroup
	Home     string    `json:"home"`              // PRINCIPAL.KIND: the caller's own home and /tmp
	Dir      []byte    `json:"dir"`               // where it starts; the home, where that does not exist
	Command  []byte    `json:"command"`           // for the shell; empty asks for a login shell
	Env      [][]byte  `json:"env"`               // NAME=VALUE
	Terminal *Terminal `json:"terminal"`          // nil: pipes
	Forward  *Forward  `json:"forward,omitempty"` // in place of a command: carry bytes between standard files and this
	Agent    bool      `json:"agent,omitempty"`   // the last descriptor is a socket by which connections to the caller's ssh-agent are offered
	// Linger is how long what the session leaves behind lives on after its door has gone, in nanoseconds; 0: not at all.
	Linger time.Duration `json:"linger,omitempty"`
}

// Terminal is what a terminal starts with.
type Terminal struct {
	Term  []byte           `json:"term"`
	Size  Resize           `json:"size"`
	Modes map[uint8]uint32 `json:"modes"` // RFC 4254, section 8
}

// Executed answers an Exec: the session runs.
type Executed struct{}

// Over says that nothing of the session is left, what lingered included.
type Over struct {
	Exit *Exit `json:"exit,omitempty"` // how its command ended; nil: it was killed with the session
}

// No answers an Exec that did not work.
type No struct {
	Error string `json:"error"` // for the log; a pod's word, to be believed by nobody
}

// Between a pod's supervisor and its inits, on a socket whose end ends the half.
const (
	TypeMachine = "machine" // supervisor to the machine's init, once it is inside
	TypeReady   = "ready"   // init to supervisor: the half does its work; supervisor to who takes a spare pod: it is there
	TypeStop    = "stop"    // supervisor to the machine's init: let the containers go, and end
)

// Machine tells the machine's init what it is for.
type Machine struct {
	GUID      string   `json:"guid"`
	Autostart bool     `json:"autostart"`       // start the Docker daemon now
	Resolvers []string `json:"resolvers"`       // addresses of name servers that the pod's own asks; none: it refuses
	Scrub     []Scrub  `json:"scrub,omitempty"` // what is to be done first, by the program that comes with this
}
