// Package inside is what runs in a pod: the inits of its two halves, and the stages that a session goes through. It is the
// whole of the program forkgate-init, which is small and static because it starts with every session.
//
// An init first waits, blocked, while the supervisor builds its tree around it (cross), then runs as the machine's or
// the sessions' pid 1. A session is a process tree of its own: pid 1 of its pid namespace (session), which arranges what the
// session sees and reaps, and below it the caller's command, which gives up everything it should not have (command).
//
// It trusts the supervisor and the warden, who alone can reach the control socket. It is trusted by nobody: everything that
// it does, it does with the pod's own ids and inside the pod's mounts.
package inside
