// Package network gives a pod its link to the host, and holds the rules of what may pass it.
//
// Nothing may pass but what the pod's [nsjail.Network] opens, and never this host, another pod or a metadata service; by IPv6 nothing at
// all, unless the operator gives pods a range. The rules are one nftables table, rules.nft and rules6.nft, in which no rule is of one pod:
// pods are elements of its sets. [Serve] is
// forkgate-net, which alone changes that table: it loads it, keeps it as it was loaded whoever else edits or flushes it (nothing passes
// until it is back), and adds a pod's elements for as long as the pod's supervisor stays connected. [Join] is the supervisor's side: it asks
// for the rules first and makes the link then, so that there is no link without rules.
//
// A pod that may reach nothing has no link at all, and none of this concerns it. This package resolves no names and reads
// nothing that a pod sends. It trusts root on this host, whose other rules it works beside, and nothing in a pod: the pod's root
// may do as it likes with its end of the link.
package network
