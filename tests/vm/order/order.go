// Package order is what a test and the agent in its emulated host say to each other: JSON, one Command and its Result at a time.
package order

// Command is to be run, as root.
type Command struct {
	Argv  []string
	Stdin []byte
}

// Result is what became of it. Code is its exit code, 127 if it could not be run or died of a signal.
type Result struct {
	Stdout, Stderr []byte
	Code           int
}
