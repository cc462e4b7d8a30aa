// Package machine boots a real systemd host for a test, in a private copy of the machine that runs it, in about half a second.
//
// What a test does in there, it does with the real thing: units, sockets, users, D-Bus, loop devices, mounts, cgroups. The
// machine has nothing but lo, and of the outer machine's services it starts none. It is not a boundary against hostile code:
// its root is the outer root. The work is done by the script boot beside this file, which is a command of its own.
//
// Whatever dies, nothing is left behind: the machine is killed with the test, and a watcher removes its traces.
package machine
