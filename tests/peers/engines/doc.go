// Package engines measures forkgate's policy against the engines that others use: OPA, Cedar and cel-go, on the same rules, asked the same,
// in the same run. It is a module of its own, so that nothing that forkgate is built of depends on them.
package engines
