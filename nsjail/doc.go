// Package nsjail is the host's side of a pod: where it keeps its things, what it is made from, and how work gets into it.
//
// A pod is the kernel objects of one repository or fork: namespaces, mounts, a cgroup, a range of ids. Package pod builds
// it and watches over it, package inside is what runs in it, package idmap makes its mounts, package wire carries
// the messages. This package decides nothing about who may enter.
//
// Everything in a pod is hostile, its inits included: of an answer only descriptors, and numbers within bounds, are believed.
package nsjail
