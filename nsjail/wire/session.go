package wire

// Between a door and the session whose bytes it pumps. The door holds the other end of the session's socket; that end's
// closing ends the session and everything in it.
const (
	TypeResize = "resize" // door to session
	TypeSignal = "signal" // door to session
	TypeExit   = "exit"   // session to door, once, the last message
)

// Resize sets the size of the session's terminal.
type Resize struct {
	Columns uint32 `json:"columns"`
	Rows    uint32 `json:"rows"`
	Width   uint32 `json:"width,omitempty"` // pixels
	Height  uint32 `json:"height,omitempty"`
}

// Signal delivers a signal to the session's foreground processes. Name is as in RFC 4254 section 6.10, without SIG.
type Signal struct {
	Name string `json:"name"`
}

// Exit tells how the session's command ended: with a code, or killed by a signal.
type Exit struct {
	Code   int    `json:"code"`
	Signal string `json:"signal,omitempty"` // RFC 4254 name without SIG, empty for a plain exit
	Core   bool   `json:"core,omitempty"`
}
