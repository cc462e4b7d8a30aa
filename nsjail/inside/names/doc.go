// Package names answers DNS inside a pod, for its sessions at 127.0.0.1 and for its containers at any other address of the pod.
//
// It knows localhost and the pod's own name (RFC 6761, RFC 1035). Everything else it refuses, or, where the pod may reach
// anything, asks a resolver that policy names: an answer that nobody has asked for is the way out of a pod that may reach
// nothing. It keeps no cache and follows nothing itself.
//
// It runs with the pod's own rights, and in its network: what it can ask is what the rules of the host let the pod ask. It trusts
// neither who asks nor who answers.
package names
