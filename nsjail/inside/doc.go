// Package inside is what runs in a pod: the inits of its two halves, and what a session consists of before it is the caller's
// command. It is the whole of the program forkgate-init, which is small and static because it starts with every pod.
//
// An init first waits, blocked, while the supervisor builds its tree around it (cross), then runs as the machine's or the
// sessions' pid 1. A session is two processes that session init forks and that carry out lists of system calls (fork.go,
// program.go): pid 1 of a pid namespace of its own, which arranges what the session sees, gives up what it should not have, and
// reaps; and below it the caller's command.
//
// It trusts the supervisor and the warden, who alone can reach the control socket. It is trusted by nobody: everything that
// it does, it does with the pod's own ids and inside the pod's mounts.
package inside
