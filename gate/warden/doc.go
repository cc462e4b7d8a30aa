// Package warden is the privileged process that decides: it answers the doors and the operator on its sockets, asks policy,
// makes forks and has pods run.
//
// What a peer may say is a column of one table (messages): its role comes from the socket it arrived on and from
// SO_PEERCRED, never from what it says. The door's process speaks SSH with strangers and may be taken over one day; it is
// believed that a key signed, but only for a session id among the exchange hashes that this very connection had signed
// within the last minute, and everything else about the caller is looked up here, anew for each request. Certificates of attestors
// are verified here, and each opens one session.
//
// Other peers speak for the account that they run as, if policy names that and root's sshd has started them. What such a peer says of
// the key that signed in is believed within the account: it can be each of the principals that have it. It is an agent, and what it may
// do in a grand repository is nothing: that is a column of a table (standings), whatever policy says.
//
// No byte of a session passes through the warden, and it has no network. It trusts fork, nsjail and systemd to do what they say, and nothing
// that comes over a socket.
package warden
