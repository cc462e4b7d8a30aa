// Package attestor is the daemon on a caller's workstation that says to gates whose process has connected.
//
// It speaks the protocol of ssh-agent (draft-ietf-sshm-ssh-agent, OpenSSH PROTOCOL.agent) on a socket that everybody may connect to. ssh
// tells it which connection it is about to log in on, by session-bind@openssh.com. For a gate it answers with one certificate
// that holds what it thinks of the process and its parents, bound to that connection; for any other host it gets out of the way, and
// an unprivileged child relays to the caller's own agent.
//
// It runs as root and trusts the kernel, root's processes and its configuration. From callers it takes little: messages of bounded
// length, a signature of a host over a session id, and what the kernel says of them. What happened before it started it does not
// know: such processes are nobody's.
package attestor
