// Package presence tells whether a person was there: it reads what security keys (FIDO, the sk- types of OpenSSH) sign, and which
// of their flags say that somebody touched the key, or was verified by it (PIN, fingerprint).
//
// Three things are signed. A text of ours, in an SSHSIG (OpenSSH PROTOCOL.sshsig), which names what is agreed to: a Challenge, or an
// Entering; the userauth request of an SSH connection (RFC 4252 section 7), as second factor; and, once, the key's own making, by its manufacturer
// (ssh-sk-attest-v01, OpenSSH PROTOCOL.u2f).
//
// It is not a policy: whose key it is, whether it was enrolled, and what a touch is worth is for others to say. It trusts the
// hardware of a key that was enrolled, and nothing of a key that was not: a program can sign with all flags set.
package presence
