// Package bare runs lists of system calls in processes that are forked and not yet, or never, a program: a copy of this process with
// one thread, no scheduler and no memory to be had, which carries out what lies ready for it.
//
// To load a Go program takes longer than all that a pod or a session needs done before its own program starts. What runs in the
// copy is what package syscall runs between fork and exec, with the same hooks of the runtime.
//
// It knows nothing of pods: what the calls are, and what they are worth, is the business of who writes a program. It trusts that
// memory which a program points to is an [Arena]'s.
package bare
