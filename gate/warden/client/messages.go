// Package client is the door's side of warden.sock: the messages, one file for all of them, and a client that speaks them.
//
// It opens no descriptor that it is not sent, knows no policy and decides nothing. The warden's side is package warden.
package client

import (
	"net/netip"
	"time"

	"forkgate/gate"
	"forkgate/gate/tape"
)

// The socket's places.
const (
	Socket         = "/run/forkgate/warden.sock"          // doors
	OperatorSocket = "/run/forkgate/operator/warden.sock" // the operator's commands, in a directory that root alone enters
)

// Message types. A request is answered by a message of the same type and ID, or by TypeRefused or TypeFailed.
const (
	TypeHostKeys  = "hostkeys"
	TypeSign      = "sign"
	TypeProve     = "prove" // since version 2
	TypeIdentify  = "identify"
	TypeAssert    = "assert"
	TypeAccount   = "account"
	TypeTouch     = "touch"
	TypeUntouched = "untouched"
	TypeOpen      = "open"
	TypeVerb      = "verb"
	TypeStruck    = "struck"
	TypeEnded     = "ended"
	TypeFiles     = "files"
	TypeUntaped   = "untaped"
	TypeStrangers = "strangers"
	TypeNotice    = "notice" // warden to door, to nobody's question
	TypeGiveUp    = "give-up"

	TypeProgress = "progress" // any number of these come before the answer to what takes long
	TypeRefused  = "refused"
	TypeFailed   = "failed"
)

// HostKeysReply lists the public host keys, in SSH wire format (RFC 4253, section 6.6).
type HostKeysReply struct {
	Keys [][]byte `json:"keys"`
	Next [][]byte `json:"next,omitempty"` // that it will have, for clients to learn; since version 2

	Certificates [][]byte `json:"certificates,omitempty"` // of keys, that are valid now; since version 2
}

// ProveRequest asks for a signature by which a client of this connection learns that the host has a key (hostkeys-prove-00@openssh.com, section 2.5 of
// OpenSSH's PROTOCOL). It is answered by a SignReply.
type ProveRequest struct {
	Key       []byte `json:"key"` // public half, SSH wire format
	SessionID []byte `json:"session_id"`
}

// SignRequest asks for a host key's signature over the exchange hash of a key exchange.
type SignRequest struct {
	Key       []byte `json:"key"` // public half, SSH wire format
	Data      []byte `json:"data"`
	Algorithm string `json:"algorithm,omitempty"`
}

// SignReply is an SSH signature.
type SignReply struct {
	Format string `json:"format"`
	Blob   []byte `json:"blob"`
}

// IdentifyRequest asks whether some principal has this key, or an attestor made this certificate, before a client is asked to prove
// that it holds it.
type IdentifyRequest struct {
	Key    []byte         `json:"key"`
	Source netip.AddrPort `json:"source"`
	Touch  bool           `json:"touch,omitempty"` // after the assertion: whether a touch of this security key would count beside it
}

// IdentifyReply answers it. Which principal it is, the door need not know.
type IdentifyReply struct {
	Known bool `json:"known"`
}

// AssertRequest states what the finished handshake proved. It is sent once, before anything is opened.
type AssertRequest struct {
	User          []byte         `json:"user"` // the SSH user name: the ref
	Key           []byte         `json:"key"`  // the key that signed, or its certificate
	SessionID     []byte         `json:"session_id"`
	ClientVersion []byte         `json:"client_version"`
	Source        netip.AddrPort `json:"source"`
}

// AssertReply says what kind of connection it is. A single one could be a person's, or came with a certificate: it has one session
// channel in its whole life, and ends with it.
type AssertReply struct {
	Single bool   `json:"single"`
	Bounds Bounds `json:"bounds"`
	Touch  bool   `json:"touch,omitempty"` // a touch of a security key would make a difference: ask the client for one

	// Sign is the command by which a key signs that cannot be asked to authenticate, if the principal has such a one.
	Sign string `json:"sign,omitempty"`
}

// Bounds are what the connection may have open.
type Bounds struct {
	Sessions int           `json:"sessions"`       // at a time
	Forwards int           `json:"forwards"`       // the same
	Idle     time.Duration `json:"idle,omitempty"` // in ns: it is ended when nothing has gone by it for so long; 0: it is not
}

// TouchRequest hands over what a security key has signed for this connection, after the assertion: to authenticate, or by
// AssertReply.Sign. It is verified here, by the session id and the user of the assertion.
type TouchRequest struct {
	Key       []byte `json:"key,omitempty"`       // SSH wire format
	Signature []byte `json:"signature,omitempty"` // RFC 4253 section 6.6, with the flags of OpenSSH's PROTOCOL.u2f
	Signed    string `json:"signed,omitempty"`    // in place of these: an SSHSIG, armored or in base64 alone
}

// UntapedRequest says that a session is not recorded any more, which ends one that has to be.
type UntapedRequest struct {
	Session string `json:"session"`
	Why     string `json:"why"`
	Ends    bool   `json:"ends,omitempty"`
}

// UntouchedRequest says that a security key has signed without being touched, which let nobody in.
type UntouchedRequest struct {
	Key    []byte         `json:"key"`
	Source netip.AddrPort `json:"source"`
}

// AccountRequest is sent once, before anything is opened, by a peer that speaks for the account it runs as, and says what sshd has told
// it of the connection.
type AccountRequest struct {
	User   []byte         `json:"user"`           // a ref, or the control user
	Keys   [][]byte       `json:"keys,omitempty"` // that signed in: keys, or certificates
	Source netip.AddrPort `json:"source"`
}

// AccountReply says whose account it is.
type AccountReply struct {
	Account string `json:"account"`
}

// Terminal is a pty-req.
type Terminal struct {
	Term    []byte           `json:"term"`
	Columns uint32           `json:"columns"`
	Rows    uint32           `json:"rows"`
	Width   uint32           `json:"width,omitempty"`
	Height  uint32           `json:"height,omitempty"`
	Modes   map[uint8]uint32 `json:"modes,omitempty"` // RFC 4254, section 8
}

// OpenRequest asks for a session where the connection's user name says.
type OpenRequest struct {
	Op       string    `json:"op"` // shell, exec, sftp or forward-...
	Command  []byte    `json:"command,omitempty"`
	Env      [][]byte  `json:"env,omitempty"`   // NAME=VALUE for the session
	Marks    [][]byte  `json:"marks,omitempty"` // NAME=VALUE that are evidence only
	Terminal *Terminal `json:"terminal,omitempty"`
	Alone    bool      `json:"alone,omitempty"` // the client has said that it opens no other session

	// Forward is where an op forward-... leads. Its session says on standard error whether it is connected: wire.ForwardOK, or why not. Of
	// forward-remote it is where that listens: its session says so itself, and whether it does, by Session.Offers.
	Forward gate.Destination `json:"forward,omitzero"`

	AgentForward bool `json:"agent_forward,omitempty"` // the client wants to bring its ssh-agent along

	// Told gets what the caller is to know before the answer comes. It stays here, and must not wait; nil: nobody is told.
	Told func(string) `json:"-"`
}

// OpenReply comes with descriptors: the session's socket and then stdin, stdout, stderr (the door's ends of pipes); or the
// session's socket and the terminal's master. That of an op forward-remote has a socket in place of stdin, on which it offers what connects;
// and another such one comes behind these where the caller's ssh-agent is along.
type OpenReply struct {
	Session string `json:"session"`
	Said    string `json:"said,omitempty"` // for the caller: what was asked for beside the session, and is not to be had

	Agent bool `json:"agent,omitempty"` // the caller's ssh-agent is along

	// Record is how the session is recorded, best-effort or required, and then the last descriptor is where to; empty: it is not.
	Record string     `json:"record,omitempty"`
	Terms  tape.Terms `json:"terms,omitzero"`
}

// GiveUp says that nobody waits any more for the answer to a request: who asked has gone. It has no answer that anybody reads.
type GiveUp struct {
	Request uint64 `json:"request"` // its ID
}

// Notice is what callers in a session are to know, without having asked.
type Notice struct {
	Session string `json:"session"`
	Text    string `json:"text"`            // a sentence, lower case, without a full stop
	Agent   bool   `json:"agent,omitempty"` // it is why the caller's ssh-agent has to leave the session, which goes on
}

// StruckRequest asks which limits of its fork a session of this connection has run into since it was opened.
type StruckRequest struct {
	Session string `json:"session"`
}

// StruckReply says it, a sentence for each, for the caller.
type StruckReply struct {
	Limits []string `json:"limits,omitempty"`
	Hint   string   `json:"hint,omitempty"`
}

// EndedRequest asks why a session has ended that vanished, whatever warden opened it.
type EndedRequest struct {
	Session string `json:"session"`
}

// EndedReply says it in a sentence for the caller, where the warden ended it; else it is empty.
type EndedReply struct {
	Why string `json:"why,omitempty"`
}

// What one FilesRequest tells of at most: a message has 64 KiB, and paths travel as base64.
const (
	MaxFiles      = 64
	MaxFilesBytes = 24 << 10 // of paths
)

// FilesRequest tells what a session of op sftp has done to files, whatever warden opened it.
type FilesRequest struct {
	Session    string               `json:"session"`
	Operations []gate.FileOperation `json:"operations,omitempty"` // the oldest first
	More       int                  `json:"more,omitempty"`       // so many others there were, before the last of those: the record would count them, or the warden was away
	Blind      string               `json:"blind,omitempty"`      // why nobody can tell what comes behind them; empty: it will be told of
}

// VerbRequest runs a control word. Words[0] is the verb.
type VerbRequest struct {
	Words [][]byte `json:"words"`
	JSON  bool     `json:"json,omitempty"`
	Marks [][]byte `json:"marks,omitempty"`
	Alone bool     `json:"alone,omitempty"` // as in OpenRequest
}

// VerbReply comes with one descriptor, a sealed memfd with what goes to stdout.
type VerbReply struct{}

// Progress is a line about what is going on. To who opens a session it says what that waits for, and the empty line that it waits no more:
// from then on something may run.
type Progress struct {
	Line string `json:"line"`
}

// Refused is a gate.Refusal on the wire.
type Refused struct {
	Reason string `json:"reason"`
	Hint   string `json:"hint,omitempty"`
	Logged string `json:"logged,omitempty"`
}

// Failed says that the gate failed; the cause is in the log under Session.
type Failed struct {
	Session string `json:"session"`
	Ended   bool   `json:"ended,omitempty"` // the pod did, under a session that was about to begin
}

func (f *Failed) Error() string { return "the warden failed, session " + f.Session }

// StrangersRequest tells of connections that came to nothing, since the door told last, and of the door as it is.
type StrangersRequest struct {
	Failed     int `json:"failed,omitempty"`      // to authenticate
	Idle       int `json:"idle,omitempty"`        // left without having tried, or made room
	Nonsense   int `json:"nonsense,omitempty"`    // spoke no SSH
	Slow       int `json:"slow,omitempty"`        // took all of their time
	TurnedAway int `json:"turned_away,omitempty"` // were closed at once, as their source had no place left

	Penalized   int `json:"penalized,omitempty"` // sources
	Connections int `json:"connections,omitempty"`
	Goroutines  int `json:"goroutines,omitempty"`
}
