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
//
// The package starts no pods and decides nothing about who may do what: the warden does both. It trusts the names GUID,
// tree, root, home, data and docker, all of which it made below a directory that only root enters, and nothing below
// them: it never opens by name what a fork could have put there.
package fork
