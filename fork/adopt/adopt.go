package adopt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// Docker runs docker's client with arguments. Its input and output may be nil. An error has what the client complained about.
type Docker interface {
	Docker(ctx context.Context, in io.Reader, out io.Writer, args ...string) error
}

// Repository is what the project becomes. Its Docker is that in its pod, in the directory of its data.
type Repository interface {
	Docker
	// Create makes it of a tar archive of its data, with the owners that it says.
	Create(ctx context.Context, data *os.File) error
	// Remove removes what Create has made, if it has.
	Remove(ctx context.Context) error
	// Rename renames a file of its data.
	Rename(ctx context.Context, from, to string) error
	// Dir is where its data is, for who is in its pod.
	Dir(ctx context.Context) (string, error)
}

// Adoption moves a project.
type Adoption struct {
	Host     Docker
	To       Repository
	User     int           // that sessions in the repository run as: what no container works in becomes this one's
	Patience time.Duration // how long it may take to become well
	Steady   time.Duration // and how long it has to stay so
	Leave    bool          // what is in volumes without a name stays behind
	Say      func(string)  // hears each step
}

// Run moves the project. It returns only when it is well in the repository, or again where it was, or neither: then the error says so.
func (a Adoption) Run(ctx context.Context, p Project) (err error) {
	if err := a.Check(ctx, p); err != nil {
		return err
	}
	began := time.Now()
	undo := undoing{say: a.Say, byHand: p.byHand()}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("it went wrong: %v", p)
		}
		err = undo.after(ctx, err)
	}()

	a.Say("to have it run where it was, should this be killed: " + p.byHand())
	undo.add("having it start by itself again", func(ctx context.Context) error { return a.letGo(ctx, p) })
	if err := a.hold(ctx, p); err != nil {
		return err
	}
	undo.add("starting it again where it was", func(ctx context.Context) error { return a.startAgain(ctx, p) })
	a.Say("stopping " + p.Name)
	if err := a.stop(ctx, p); err != nil {
		return err
	}
	undo.add("removing the repository", func(ctx context.Context) error { return a.remove(ctx) })
	a.Say("copying " + p.Dir)
	if err := a.copyDir(ctx, p); err != nil {
		return err
	}
	if err := a.copyDocker(ctx, p); err != nil {
		return err
	}
	a.Say("starting it in the repository")
	if err := a.To.Rename(ctx, hooksAside, hooksName); err != nil {
		return err
	}
	if err := a.startThere(ctx, p); err != nil {
		return err
	}
	if err := a.staysStopped(ctx, p); err != nil {
		return err
	}
	undo.forget()
	a.Say(fmt.Sprintf("it is well; it was away for %.0f s", time.Since(began).Seconds()))
	return nil
}

// errRuns says that the project may still run in the repository: then it is not started where it was, as both would work.
var errRuns = errors.New("it may still run in the repository, and so is not started where it was")

// remove removes the repository; where that cannot be, nothing of the project runs in it.
func (a Adoption) remove(ctx context.Context) error {
	err := a.To.Remove(ctx)
	if err == nil {
		return nil
	}
	// Nor does its pod start it by itself: neither its Rediaccfile, if that is there by now, nor Docker.
	_ = a.To.Rename(ctx, hooksName, hooksAside)
	if stopping := a.To.Docker(ctx, nil, nil, "compose", "down"); stopping != nil {
		return errors.Join(err, stopping, errRuns)
	}
	return err
}

// undoing is what has to be undone after a failure, the last first.
type undoing struct {
	say    func(string)
	byHand string // how somebody does it
	steps  []undoStep
}

type undoStep struct {
	what string
	do   func(context.Context) error
}

func (u *undoing) add(what string, do func(context.Context) error) {
	u.steps = append(u.steps, undoStep{what, do})
}

func (u *undoing) forget() { u.steps = nil }

// after undoes all where something failed, whoever does not wait for it.
func (u *undoing) after(ctx context.Context, failed error) error {
	if failed == nil {
		return nil
	}
	ctx = context.WithoutCancel(ctx)
	for i := len(u.steps) - 1; i >= 0; i-- {
		u.say(u.steps[i].what)
		err := u.steps[i].do(ctx)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s failed: %w", u.steps[i].what, err))
		}
		if errors.Is(err, errRuns) {
			return fmt.Errorf("%w; when it does not: %s", failed, u.byHand)
		}
	}
	return failed
}
