// Package chain says whose a process is: it reads the process and its parents out of a /proc and judges them.
//
// It is pure: /proc is an fs.FS, what is remembered of processes that are gone is an interface, and what the kernel forbids comes as a
// list of protections. Reading and judging are separate, so that each trick has a test that writes its chain down.
//
// A chain is a person's if it leads unbroken to a login that root started, stays on one terminal, and has no agent in it. Everything
// that is missing, malformed, foreign or unknown makes it unverified. It trusts root's processes, the kernel's /proc as root sees it
// from outside, and the Memory that it is given; of the caller's own processes it trusts nothing but what they cannot change.
package chain
