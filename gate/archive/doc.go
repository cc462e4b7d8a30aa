// Package archive finds recordings: who keeps them is the warden, and who reads them is root, by files.
//
// It is not the format of a recording, which is tape's, and not where one is made. It trusts the directory, which is root's alone, and
// nothing of what stands in the files: whoever shows them tames it.
package archive
