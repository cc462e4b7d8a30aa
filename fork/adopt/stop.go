package adopt

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// hold has nothing of the project start by itself where it is; letGo undoes it.
func (a Adoption) hold(ctx context.Context, p Project) error {
	for _, c := range p.containers {
		if c.restarts() == "" {
			continue
		}
		if err := a.Host.Docker(ctx, nil, nil, "update", "--restart", "no", c.ID); err != nil {
			return err
		}
	}
	return nil
}

func (a Adoption) letGo(ctx context.Context, p Project) (err error) {
	for _, c := range p.containers {
		if policy := c.restarts(); policy != "" {
			err = errors.Join(err, a.Host.Docker(ctx, nil, nil, "update", "--restart", policy, c.ID))
		}
	}
	return err
}

// restarts is when Docker starts a container by itself, as docker update takes it; empty: never.
func (c container) restarts() string {
	policy := c.HostConfig.RestartPolicy
	switch {
	case policy.Name == "no":
		return ""
	case policy.MaximumRetryCount > 0:
		return fmt.Sprintf("%s:%d", policy.Name, policy.MaximumRetryCount)
	}
	return policy.Name
}

// byHand is how somebody has the project run again where it was.
func (p Project) byHand() string {
	var commands, running []string
	for _, c := range p.containers {
		if policy := c.restarts(); policy != "" {
			commands = append(commands, "docker update --restart "+policy+" "+c.title())
		}
	}
	for _, c := range p.running() {
		running = append(running, c.title())
	}
	if len(running) > 0 {
		commands = append(commands, "docker start "+strings.Join(running, " "))
	}
	return strings.Join(commands, "; ")
}

// stop stops those that were started last first.
func (a Adoption) stop(ctx context.Context, p Project) error {
	for _, c := range slices.Backward(p.running()) {
		if err := a.Host.Docker(ctx, nil, nil, "stop", c.ID); err != nil {
			return err
		}
	}
	return nil
}

// startAgain starts what ran. One that is being stopped would take that for nothing, as it runs: so all are stopped first, which waits. One may need
// another that was started after it; they are tried for as long as some start.
func (a Adoption) startAgain(ctx context.Context, p Project) error {
	_ = a.stop(ctx, p)
	for left := p.running(); len(left) > 0; {
		var again []container
		var err error
		for _, c := range left {
			if failed := a.Host.Docker(ctx, nil, nil, "start", c.ID); failed != nil {
				again, err = append(again, c), errors.Join(err, failed)
			}
		}
		if len(again) == len(left) {
			return err
		}
		left = again
	}
	return nil
}

// staysStopped refuses to go on where somebody has started what it was meanwhile: then both would work.
func (a Adoption) staysStopped(ctx context.Context, p Project) error {
	all, err := containers(ctx, a.Host, "label="+labelProject+"="+p.Name)
	if err != nil {
		return err
	}
	for _, c := range all {
		if c.State.Status != "exited" && c.State.Status != "created" {
			return fmt.Errorf("somebody has started %s meanwhile, where it was", c.title())
		}
	}
	return nil
}

// running are those that run, in the order in which they were started.
func (p Project) running() (all []container) {
	for _, c := range p.containers {
		if c.State.Status == "running" {
			all = append(all, c)
		}
	}
	return all
}
