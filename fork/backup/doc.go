// Package backup is how repositories lie elsewhere: the format of backups, and the places that they can be in.
//
// A backup is a stream of btrfs send, of a whole snapshot or of what has changed since the backup that is its base, cut into parts of 64 MiB.
// Each part is compressed (zstd, RFC 8878) and, for the recipients that the operator names, encrypted (age, age-encryption.org/v1) by itself:
//
//	REPO/ID/part-000001 ...   in their order
//	REPO/ID/unfinished.json   the manifest so far, while it is being made
//	REPO/ID/manifest.json     the manifest: written last, so that a backup is there whole or not at all
//
// An interrupted one is gone on with: the stream of a snapshot that is still there is made again, and parts that lie there already, by the
// digest of what they hold, are not written again.
//
// The package trusts nothing in a place: names are made and not read, sizes are bounded, each part has to have the digests that the
// manifest says, and a restored tree is checked by whoever makes one of it. Whoever can write to a place and knows the recipients can put a
// backup there that nobody here has made: the manifest's own digest, which forkgate's audit log has, tells them apart. It makes no snapshot,
// sends none and receives none.
package backup
