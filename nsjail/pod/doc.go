// Package pod builds a pod and watches over it: it is what forkgate-pod runs, as root, in the pod's own unit.
//
// A pod has two halves with the same ids. The machine half runs the Docker daemon; the session half, in a sibling user
// namespace and in the machine's network namespace, runs what callers ask for. Both trees are complete before the half
// crosses into its own mount namespace, which locks every mount: nothing can be taken off, nor its flags be changed, by the
// pod's root. A pod that is built ahead, before there is a fork for it, stops right before that, and waits to be taken: until then
// its inits are copies of the supervisor that execute nothing, and nobody can ask them for anything.
//
// It trusts the spec that the warden wrote, and nothing that is in the pod's trees: it opens every name in them with
// openat2(2), and walks none of them. It is not in the way of sessions: once the pod is ready it only waits.
package pod
