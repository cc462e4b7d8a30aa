// Package grants is the book of what waits for approval and of what was granted.
//
// A session that waits is in memory alone: with the warden's restart its connection is over, and so is its wish. A grant is on the disk
// before anybody hears of it, so that after whatever ended the warden it still ends when it has to, and its sessions with it.
//
// The book decides nothing about who may ask or approve, and ends no session: the warden does both. It trusts its caller for who speaks, and
// its shelf for giving back what was put there.
package grants
