// Command forkgate-init is what runs inside a pod: its inits and the stages of a session. The pod's supervisor starts it from
// a sealed copy; it does nothing by itself.
package main

import (
	"os"

	"forkgate/nsjail/inside"
)

func main() { os.Exit(inside.Main(os.Args)) }
