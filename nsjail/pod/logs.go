package pod

import (
	"bufio"
	"fmt"
	"os"

	"golang.org/x/time/rate"
)

// Whose lines Config.Print gets.
const (
	FromInit   = "forkgate-init"
	FromDocker = "dockerd"
)

// limitedLog carries what is printed in a pod to the supervisor's log, so that a pod cannot flood the host's journal: lines of at
// most 1 KiB, ten a second on average.
type limitedLog struct {
	w    *os.File
	done chan struct{}
}

func newLimitedLog(print func(line string)) (*limitedLog, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("cannot make a pipe for the pod's output: %w", err)
	}
	l := &limitedLog{w: w, done: make(chan struct{})}
	go func() {
		defer close(l.done)
		defer r.Close()
		allowed := rate.NewLimiter(10, 100)
		lines := bufio.NewReaderSize(r, 1<<10)
		for {
			line, _, err := lines.ReadLine()
			if err != nil {
				return
			}
			if allowed.Allow() {
				print(string(line))
			}
		}
	}()
	return l, nil
}

// Close waits for the last lines. The inits must have ended, or they keep it waiting.
func (l *limitedLog) Close() error {
	err := l.w.Close()
	<-l.done
	return err
}
