// Package tests holds what is true of the repository as a whole: which package may import which, and where things lie. The
// directories below it are what tests are made of, and tests of the whole.
package tests
