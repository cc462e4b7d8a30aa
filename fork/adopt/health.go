package adopt

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"
)

// startThere starts the project in the repository, and waits until it is as it was, and stays so.
func (a Adoption) startThere(ctx context.Context, p Project) error {
	dir, err := a.To.Dir(ctx)
	if err != nil {
		return err
	}
	if err := a.checkBinds(ctx, dir); err != nil {
		return err
	}
	if err := a.To.Docker(ctx, nil, nil, "compose", "up", "--detach", "--no-build", "--pull", "never"); err != nil {
		return fmt.Errorf("it does not start in the repository: %w", err)
	}
	now, err := a.becomesWell(ctx, p)
	if err != nil {
		return err
	}
	return alike(p, now, dir)
}

// checkBinds refuses Compose files that name places of the host's, which in the pod are others.
func (a Adoption) checkBinds(ctx context.Context, dir string) error {
	var text bytes.Buffer
	if err := a.To.Docker(ctx, nil, &text, "compose", "config", "--format", "json"); err != nil {
		return fmt.Errorf("it is no project for Compose in the repository: %w", err)
	}
	var config struct {
		Services map[string]struct {
			Volumes []struct{ Type, Source, Target string }
		}
	}
	if err := json.Unmarshal(text.Bytes(), &config); err != nil {
		return fmt.Errorf("cannot read what docker compose config says: %w", err)
	}
	for name, service := range config.Services {
		for _, v := range service.Volumes {
			if v.Type == "bind" && !slices.Contains(harmless, v.Source) && !strings.HasPrefix(path.Clean(v.Source)+"/", dir+"/") {
				return fmt.Errorf("%w: the service %s has %s by that very path: write it from the Compose file on, as in ./conf", ErrUnfit, name, v.Source)
			}
		}
	}
	return nil
}

// becomesWell waits until what runs in the repository is what ran before, and has been for some time: what ends at once runs for a moment as well.
func (a Adoption) becomesWell(ctx context.Context, p Project) (now []container, err error) {
	want := states(p.containers)
	waiting, cancel := context.WithTimeout(ctx, a.Patience)
	defer cancel()
	var since time.Time
	for last := ""; ; {
		seen, err := containers(waiting, a.To, "label="+labelProject+"="+p.Name)
		if err == nil {
			now = seen
		}
		switch mark := fmt.Sprint(marks(seen)); {
		case err != nil || !slices.Equal(states(seen), want):
			last = ""
		case mark != last:
			last, since = mark, time.Now()
		case time.Since(since) >= a.Steady:
			return now, nil
		}
		select {
		case <-waiting.Done():
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			return nil, errors.Join(a.unwell(context.WithoutCancel(ctx), want, now), err)
		case <-time.After(time.Second / 2):
		}
	}
}

// states are what containers are, by their services, in words and in order.
func states(all []container) (states []string) {
	for _, c := range all {
		if c.oneOff() {
			continue
		}
		state := c.label(labelService) + " is " + c.State.Status
		if c.State.Health != nil {
			state += " and " + c.State.Health.Status
		}
		if c.State.Status == "exited" {
			state += fmt.Sprintf(" with %d", c.State.ExitCode)
		}
		states = append(states, state)
	}
	slices.Sort(states)
	return states
}

// marks tell whether a container has been started anew.
func marks(all []container) (marks []string) {
	for _, c := range all {
		marks = append(marks, fmt.Sprint(c.ID, c.State.StartedAt, c.RestartCount))
	}
	return marks
}

// unwell says what is not as it was, with what it says itself.
func (a Adoption) unwell(ctx context.Context, want []string, now []container) error {
	err := fmt.Errorf("it does not become as well as it was within %v: before, %s; now, %s", a.Patience, strings.Join(want, ", "), strings.Join(states(now), ", "))
	for _, c := range now {
		if is := states([]container{c}); len(is) == 0 || slices.Contains(want, is[0]) {
			continue
		}
		var said bytes.Buffer
		if a.To.Docker(ctx, nil, &said, "logs", "--tail", "5", c.ID) == nil && said.Len() > 0 {
			err = fmt.Errorf("%w\n%s says: %s", err, c.title(), strings.TrimSpace(said.String()))
		}
	}
	return err
}
