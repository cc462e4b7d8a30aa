// Package policy decides who may do what, by rules that the operator writes in HCL.
//
// Files are loaded whole or not at all: [Load] checks names, types and words, compiles each condition into Go closures, runs
// the policy's own tests, and otherwise returns every complaint with its file and line. [Policy.Decide] is then pure and safe
// for concurrent use. What no rule permits is forbidden, a forbid beats every permit, and no order of files or rules matters.
//
// It finds out nothing: who speaks and what is asked come in the request. It trusts whoever can write the files, so it
// refuses to read, as root, what anybody else could have written.
package policy
