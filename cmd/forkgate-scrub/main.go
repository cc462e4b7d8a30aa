// Command forkgate-scrub takes out of a copy what nobody in it is to have. The init of a pod runs it, inside, before anybody else is there: it
// reads a [wire.Scrubbing] from its standard input and writes a [wire.Scrubbed] to its standard output. It is a program of its own because
// few pods need it, and all of them load the init.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"forkgate/nsjail/scrub"
	"forkgate/nsjail/wire"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintf(os.Stderr, "forkgate-scrub: %v\n", err)
		os.Exit(1)
	}
}

func run() error {
	var order wire.Scrubbing
	if err := json.NewDecoder(os.Stdin).Decode(&order); err != nil {
		return fmt.Errorf("cannot read what is to be done (it is started inside pods, and does nothing by itself): %w", err)
	}
	s, err := scrub.Open(order, os.Environ(), os.Stderr)
	if err != nil {
		return err
	}
	defer s.Close()
	ctx, cancel := context.WithTimeoutCause(context.Background(), wire.ScrubTime, fmt.Errorf("it takes longer than %v", wire.ScrubTime))
	defer cancel()
	return json.NewEncoder(os.Stdout).Encode(s.Do(ctx, order.Rules))
}
