// Package scrub takes out of a copy of production what nobody in the copy is to have: it removes files, empties them, and replaces the values
// of names in dotenv files, ini files, JSON and YAML.
//
// It runs inside the pod of the copy, as the pod's root, before anybody else does and before the pod has a network. It follows no link out of
// the directory that it works in. What it cannot read or change whole is an error, and then the copy is nobody's to enter: a value that it does
// not understand is not one that it leaves alone.
//
// It finds values by the names that rules give. What else a file holds, a comment or the same value under another name, stays: the scanner is
// for that.
package scrub
