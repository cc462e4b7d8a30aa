// Package wire carries one JSON message per SOCK_SEQPACKET datagram, with file descriptors beside it (SCM_RIGHTS).
//
// The kernel keeps message borders and closes what nobody receives, so there is no framing code. A message is at most
// [MaxMessage] bytes with at most [MaxFiles] descriptors; it announces how many come with it, and descriptors that it does
// not announce are closed. A body that does not fit travels in a sealed memory file, of at most [MaxLarge] bytes. What may hold any bytes (argv, env, paths) is []byte in message bodies: JSON strings would turn
// a foreign byte into U+FFFD.
//
// It is not an RPC library: who answers what is the business of the packages that use it. It trusts nothing that it
// receives.
package wire
