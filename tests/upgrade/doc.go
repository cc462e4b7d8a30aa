// Package upgrade replaces forkgate's programs by those of another version on a host where 64 sessions are under way, and has everything be of that
// version: the services restarted, the gate reloaded. What was under way comes to its end, whole; who comes meanwhile gets in; programs that are broken
// change nothing. A restart of the gate, which is the control, ends all of it.
package upgrade
