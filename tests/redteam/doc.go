// Package redteam attacks forkgate on a host on which it is really installed: a matrix of attempts, a row each. They are made in
// three places: by a session of an agent in its fork; by root in a privileged container of that fork; and by the fork's root leaving
// things behind for the host's root to stumble over.
//
// A row says how a safe attempt ends, to the letter, so that one that could not be made at all is no pass, and which mechanism
// it rests on. Where the mechanism can be taken away, a control makes the same attempt without it, and has to succeed.
package redteam
