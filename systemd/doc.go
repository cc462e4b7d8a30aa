// Package systemd is what forkgate asks of the init system: units are started and stopped over D-Bus ([Units]), a service says
// how it does ([Ready]), takes over sockets ([Inherited]) and logs to the journal ([Log]).
//
// It knows nothing of pods, forks or policy, makes no unit files and is not a general client. It trusts systemd, and the
// operator who installed the units; unit names come from the caller, who has validated them ([Instance] escapes nothing, it
// refuses).
package systemd
