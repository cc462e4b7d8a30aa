// Package fork keeps repositories and their forks on a btrfs pool, and the registry that says what exists.
//
// A fork is one snapshot of its parent's tree: constant time, one instant. Everything that makes something is recorded
// first (state making), so that whatever a crash leaves behind is known: Reconcile undoes what was half-made and finishes
// what was half-removed. What has no record is reported and never removed.
//
//	POOL/rootfs/DIGEST               read-only subvolume: the tools inside sessions
//	POOL/repos/GUID/{tree,root,home} a grand repository: tree is one subvolume with data/ and docker/
//	POOL/forks/GUID/{tree,root,home} a fork: a snapshot of a tree, a snapshot of a rootfs, an empty home
//	POOL/spare/GUID/{root,home}      made ahead of time, so that a fork costs one snapshot
//	POOL/kept/GUID                   a read-only snapshot of a repository, for backups: nobody enters it
//
// A tree's state is in its record, and on the disk before anything is done by it:
//
//	from      to        by                        a crash in between leaves          and the next start
//	-         spare     KeepSpares                a directory below spare, no record  removes it
//	-, spare  making    Fork, CreateRepo (claim)  the record; parts of the tree       undoes it, slot and quota group included
//	making    ready     Fork, CreateRepo (ready)  as above                            undoes it
//	making    -         an error in any step      as above                            undoes it
//	ready     ready     Extend, Settle, Rename    the one record or the other         has nothing to do
//	ready     ready     Freeze, Thaw              a frozen fork that can be written   makes it read-only
//	ready     removing  Remove, RemoveRepo        the record; parts may be gone       removes the rest
//	removing  -         Remove, RemoveRepo        the record                          removes the rest; the slot is free last
//
// What is kept goes from making to ready to removing in the same way, by Keep and Drop; the next start removes what is not ready, and what
// was kept of a repository that is gone. A repository that is made of a backup is received below its own directory, and undone with that.
//
// Beside that a fork is settled, unsettled with a reason, or neither, which is how it is born where something has to be taken out of it first;
// the zero value is not settled. A rootfs is there whole or not: it is made under another name.
//
// The package starts no pods and decides nothing about who may do what: the warden does both. It trusts the names GUID,
// tree, root, home, data and docker, all of which it made below a directory that only root enters, and nothing below
// them: it never opens by name what a fork could have put there.
package fork
