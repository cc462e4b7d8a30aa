// Package host sets forkgate up for a test as an operator does on a real host: a systemd machine, make install, a pool, a rootfs,
// principals with keys, and the services. Real clients reach the gate over the machine's loopback network.
//
// It takes some seconds, so a test package starts one host for all that it does. What a host does not do is keep its users apart:
// a test that could disturb others wants principals and repositories of its own.
package host
