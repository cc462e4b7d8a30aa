package redteam

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"forkgate/tests/machine"
)

// work is what a fork that is left in peace can do. It prints "undisturbed".
const work = `set -e
for i in 1 2 3; do
  dd if=/dev/zero of=file bs=1M count=4 status=none; rm file; touch small-$i; rm small-$i
  python3 -c 'bytearray(100 << 20)'; (true); sleep 0 & wait
  script -qec true /dev/null </dev/null >/dev/null
  probe few >few.out
done
echo undisturbed`

// hoard makes an attempt that takes all it can get. While it keeps that, the neighbour and the host go about their work.
func (s *stage) hoard(t *testing.T, fork string, r row) error {
	t.Helper()
	st := r.attempt
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c := s.command(ctx, t, fork, st)
	stdin, err := c.StdinPipe()
	if err != nil {
		return err
	}
	var stderr strings.Builder
	c.Stderr = &stderr
	stdout, err := c.StdoutPipe()
	if err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return err
	}
	lines := bufio.NewReader(stdout)
	said, held := untilHeld(lines)
	if held == nil {
		err = errors.Join(
			s.take(t, fork, step{neighbour, work, "undisturbed"}),
			s.take(t, fork, step{host, "probe few && systemctl is-active forkgate-warden", "few: done\nactive"}))
	}
	stdin.Close()
	// Where it has left its own Docker nothing to end it with, the removal of its fork will.
	late := time.AfterFunc(10*time.Second, func() { _ = c.Process.Kill() })
	defer late.Stop()
	rest, unread := io.ReadAll(lines)
	_ = c.Wait() // its exit code is that of an attempt that failed
	if all := said + string(rest); !st.matches(machine.Result{Stdout: all}) {
		held = errors.Join(held, fmt.Errorf("%s: %s\nprinted\n%s%s\nwant\n%s", st.at, st.script, all, stderr.String(), st.prints))
	}
	return errors.Join(held, err, unread)
}

// begin starts a step that goes on until it is ended.
func (s *stage) begin(t *testing.T, fork string, st step) (end func()) {
	t.Helper()
	st.script = "echo ready; exec " + st.script
	c := s.command(t.Context(), t, fork, st)
	s.serve(t, c)
	return func() { _ = c.Process.Kill() }
}

func untilHeld(lines *bufio.Reader) (said string, err error) {
	for {
		line, err := lines.ReadString('\n')
		said += line
		if err != nil || strings.HasPrefix(line, "held: ") {
			return said, err
		}
	}
}
