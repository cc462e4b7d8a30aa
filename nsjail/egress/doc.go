// Package egress lets pods out by name: to the hosts that policy names, and by TCP to nothing else.
//
// A pod that may reach names alone has no link to the host, and so no way out of its network at all. [Join], the supervisor's side, opens two
// sockets in that network before a caller is there (what scrubs a fork is, and can spoil its own fork), has the kernel lead connections to the named ports to them, whatever address they
// are for, and gives them to [Serve]. That is forkgate-egress, a process of a user that has no rights. It reads what host a connection is for, the
// name in a TLS ClientHello (RFC 6066, 3) or in each HTTP request's Host, and where that is one of the pod's makes a connection of its own, to an
// address that it has looked up itself, that is public, and to which this host knows no way but out. What the pod's rules and routes come to is convenience: whoever changes them, as its
// root can, reaches less.
//
// It is no firewall, which nsjail/network is, decrypts nothing, and does not know what is said. The name is a claim: who answers at the address
// that it leads to may serve others as well, and a place that takes uploads takes anybody's. It trusts root on this host and its resolver, and
// nothing that comes from a pod.
package egress
