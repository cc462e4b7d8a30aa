package inside

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"forkgate/nsjail"
	"forkgate/nsjail/wire"
)

// scrubFirst does what has to be done to a copy before anybody sees it: Docker's own state goes, and then what the rules say. It reports to
// the supervisor, and is an error where that is not all done. Nothing that ran for it lives on.
func scrubFirst(orders *wire.Conn, order wire.Machine, tool *os.File) error {
	began := time.Now()
	var done wire.Scrubbed
	err := settleAnew(dockerRoot, order.GUID) // the operator may have been in a fork that could not be scrubbed
	docker := wire.ScrubStep{Name: "docker state", Took: time.Since(began)}
	if err == nil {
		done, err = runScrub(tool, wire.Scrubbing{
			Data: nsjail.Mountpoint(order.GUID), Volumes: filepath.Join(dockerRoot, "volumes"), Images: filepath.Join(dockerRoot, "overlay2"), Rules: order.Scrub,
		})
	}
	if err != nil {
		done.Error = err.Error()
	}
	done.Steps = append([]wire.ScrubStep{docker}, done.Steps...)
	if err := errors.Join(endOthers(), orders.Send(0, wire.TypeScrubbed, done)); err != nil {
		return err
	}
	if done.Error != "" {
		return errors.Join(errors.New(done.Error), untilStop(orders)) // which comes when the supervisor has written that down
	}
	return nil
}

// runScrub runs the tool, which lies in memory.
func runScrub(tool *os.File, what wire.Scrubbing) (done wire.Scrubbed, err error) {
	order, err := json.Marshal(what)
	if err != nil {
		return done, err
	}
	in, ask, err := os.Pipe()
	if err != nil {
		return done, err
	}
	defer in.Close()
	answer, out, err := os.Pipe()
	if err != nil {
		return done, errors.Join(err, ask.Close())
	}
	defer answer.Close()
	p, err := os.StartProcess("/proc/self/fd/3", []string{"forkgate-scrub"}, &os.ProcAttr{
		Dir: "/", Env: []string{"PATH=" + dockerPath, "HOME=/root", "REDIACC_WORKING_DIR=" + what.Data}, Files: []*os.File{in, out, os.Stderr, tool},
	})
	_ = out.Close()
	if err != nil {
		return done, errors.Join(fmt.Errorf("cannot start the scrubber: %w", err), ask.Close())
	}
	_, unsaid := ask.Write(order)
	unsaid = errors.Join(unsaid, ask.Close())
	text, unread := io.ReadAll(io.LimitReader(answer, wire.MaxLarge))
	state, err := p.Wait()
	if err == nil && !state.Success() {
		err = fmt.Errorf("the scrubber ended with %s; forkgate logs REF says more", state)
	}
	if err = errors.Join(err, unsaid, unread); err == nil {
		err = json.Unmarshal(text, &done)
	}
	return done, err
}

// endOthers ends what is left of programs that ran: all but pid 1, which this is (kill(2)).
func endOthers() error {
	if os.Getpid() != 1 {
		return errors.New("this is not pid 1")
	}
	if err := unix.Kill(-1, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
		return err
	}
	for {
		if _, err := unix.Wait4(-1, nil, 0, nil); err != nil && !errors.Is(err, unix.EINTR) {
			return nil // ECHILD: nobody is left
		}
	}
}
