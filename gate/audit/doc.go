// Package audit keeps the record: one JSON line per event, in files that root alone reads, and one line in the journal.
//
// Each line carries its number and the SHA-256 of the line before it, across files. Once a minute, and when the log is closed, an anchor is
// appended: a line that signs the chain's head with a key that the warden alone reads and no socket reaches. The anchor goes to the journal
// as well, and a copy of the newest one lies beside the log. Verify finds what was changed, removed, inserted, swapped or cut, as far as
// anchors reach. Who is root can cut both log and copy back to an older anchor: that is found by copies elsewhere, and by nothing here.
//
// A line is written, with one write(2) and O_APPEND, before what it tells of happens; whoever cannot write it must not go on. It is on the
// disk, by Settle, before the caller hears of it: one fdatasync(2) for all who wait. A line that a crash cut in two stays as it is, and
// the next one says so. Room for lines to come is set aside, so that a disk that others fill shuts nobody out for a good while.
//
// It trusts its callers' facts. What clients sent is escaped, so that no line can be forged and no terminal be driven by it.
package audit
