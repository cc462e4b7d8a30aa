// Package door is the way in over SSH: it speaks the protocol, finds out which key signed, and pumps bytes between clients
// and the sessions that the warden opens for them.
//
// It decides nothing and owns nothing. Host keys sign in the warden, policy is judged in the warden, commands run in pods;
// whoever takes over this process can ask the warden for what policy gives some principal, and no more. Forwarding is not
// here yet: it is refused.
//
// Forced is another way in: where the host's own sshd has spoken the protocol, it reads from the environment what sshd says, and carries
// the bytes of one session.
//
// It trusts the warden, and nothing that a client sends. Who speaks is read from the finished handshake alone: the user
// name and the key of the request that succeeded, never what was offered before it. A connection that could be a person's has one
// session and ends with it.
package door
