// Package attest tries the attestor with real clients on a real kernel: somebody logs in with login on a terminal, types commands, and
// a gate of a few lines says what came with the connection. The tricks of agents are programs in testdata.
package attest
