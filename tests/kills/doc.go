// Package kills ends what lies between a caller and a fork while each tool is in the middle of a transfer: its client, by SIGKILL; the gate, by
// the same; and the network, whose link goes down. Afterwards nothing of any session runs in the fork, what had detached itself included, gate
// and warden hold as many descriptors as before, every session that began is said to have ended, and the record verifies. With Debian's sshd,
// which is the control, what has detached itself lives on.
//
// Clients are the stock ones, in a network of their own with a slow link to the host.
package kills
