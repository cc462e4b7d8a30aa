package systemd

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/dbus"
)

const (
	jobDone   = "done"
	jobFailed = "failed"

	pause = 50 * time.Millisecond
)

type enqueue = func(c *dbus.Conn, ctx context.Context, unit, mode string, result chan<- string) (int, error)

// job queues a job and waits for its result, one of systemd's words: done, failed, canceled, timeout, dependency, skipped.
func (u *Units) job(ctx context.Context, unit string, queue enqueue) (string, error) {
	var conn *dbus.Conn
	result := make(chan string, 1) // the connection's one dispatcher must never wait for this caller
	err := u.call(func(c *dbus.Conn) error {
		conn = c
		_, err := queue(c, ctx, unit, "replace", result)
		return err
	})
	if err != nil {
		return "", err
	}
	tick := time.NewTicker(4 * pause)
	defer tick.Stop()
	for {
		select {
		case word := <-result:
			return word, nil
		case <-ctx.Done():
			return "", context.Cause(ctx)
		case <-tick.C:
			// The word went to a connection that is no more: the unit's state has to do.
			if !conn.Connected() {
				return u.settled(ctx, unit)
			}
		}
	}
}

// settled waits until no job is left for a unit, and tells from its state what became of the last one.
func (u *Units) settled(ctx context.Context, unit string) (string, error) {
	for {
		var state map[string]any
		err := u.call(func(c *dbus.Conn) (err error) {
			state, err = c.GetUnitPropertiesContext(ctx, unit)
			return err
		})
		if err != nil {
			return "", err
		}
		// Job is a pair of the job's id, 0 without one, and its object path.
		job, _ := state["Job"].([]any)
		if len(job) > 0 && job[0] == uint32(0) {
			if state["ActiveState"] == "failed" {
				return jobFailed, nil
			}
			return jobDone, nil
		}
		select {
		case <-ctx.Done():
			return "", context.Cause(ctx)
		case <-time.After(pause):
		}
	}
}

// StartError is a unit that did not come up.
type StartError struct {
	Unit   string
	Job    string // what systemd calls the result of the job: failed, timeout, dependency, canceled, skipped
	Result string // for a service: exit-code, signal, timeout, protocol, oom-kill, resources
	Exit   int32  // the main process's exit code, or the signal that killed it
	Status string // the last status that the service gave of itself
}

func (e *StartError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "cannot start %s: %s", e.Unit, e.Job)
	if e.Result != "" && e.Result != "success" {
		fmt.Fprintf(&b, ", %s (%d)", e.Result, e.Exit)
	}
	if e.Status != "" {
		fmt.Fprintf(&b, ", %q", e.Status)
	}
	fmt.Fprintf(&b, "; see journalctl -u %s", e.Unit)
	return b.String()
}

// startError asks why, as far as systemd knows, and has it forget.
func (u *Units) startError(ctx context.Context, unit, job string) error {
	e := &StartError{Unit: unit, Job: job}
	err := u.call(func(c *dbus.Conn) error {
		state, err := c.GetUnitTypePropertiesContext(ctx, unit, "Service")
		if err == nil {
			e.Result, _ = state["Result"].(string)
			e.Exit, _ = state["ExecMainStatus"].(int32)
			e.Status, _ = state["StatusText"].(string)
		}
		return nil // not a service: the job's word is all there is
	})
	if err != nil {
		return fmt.Errorf("%w (%v)", e, err)
	}
	if err := u.Forget(ctx, unit); err != nil {
		return fmt.Errorf("%w (%v)", e, err)
	}
	return e
}
