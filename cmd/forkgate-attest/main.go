// Command forkgate-attest runs on a caller's workstation and tells gates, on the word of root there, whether a person or an agent has
// opened a connection. It is a daemon and the few commands around it; packaging/docs/workstations.md says how to install it.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

func main() {
	// The agent library logs each refusal there, for each caller that wants one. The daemon's own log says more.
	log.SetOutput(io.Discard)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// exitFailed is the one code of whatever goes wrong: scripts have to know no more than that, and who reads has the line.
const exitFailed = 1

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := commands()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(stderr, "forkgate-attest: "+strings.ReplaceAll(err.Error(), "\n", " "))
		return exitFailed
	}
	return 0
}
