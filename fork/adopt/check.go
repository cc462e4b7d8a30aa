package adopt

import (
	"archive/tar"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// ErrUnfit says that a project cannot be adopted as it is.
var ErrUnfit = errors.New("the project cannot be adopted as it is")

// harmless are files of the host's that pods have as well.
var harmless = []string{"/etc/localtime", "/etc/timezone"}

// Check refuses what would not come along, before anything is stopped.
func (a Adoption) Check(ctx context.Context, p Project) error {
	for _, c := range p.containers {
		if err := errors.Join(c.isWell(), p.comesAlong(c)); err != nil {
			return err
		}
		if err := a.hasItsImage(ctx, c); err != nil {
			return err
		}
		for _, m := range c.Mounts {
			if err := a.checkUnnamed(ctx, c, m); err != nil {
				return err
			}
		}
	}
	if err := a.isAlone(ctx, p); err != nil {
		return err
	}
	for _, v := range p.volumes {
		if v.Driver != "local" || len(v.Options) > 0 {
			return fmt.Errorf("%w: the volume %s is kept by the driver %s with options, and not on this host's disk", ErrUnfit, v.Name, v.Driver)
		}
	}
	return nil
}

// isWell says why a container could not be compared with what becomes of it.
func (c container) isWell() error {
	switch {
	case c.State.Status == "exited" && c.State.ExitCode == 0 && slices.Contains([]string{"always", "unless-stopped"}, c.HostConfig.RestartPolicy.Name):
		return fmt.Errorf("%w: somebody has stopped %s, which is to run: start or remove it", ErrUnfit, c.title())
	case c.State.Status == "exited" && c.State.ExitCode == 0:
	case c.State.Status != "running":
		return fmt.Errorf("%w: %s is %s, exit code %d: adopt what works, or remove it", ErrUnfit, c.title(), c.State.Status, c.State.ExitCode)
	case c.State.Health != nil && c.State.Health.Status != "healthy":
		return fmt.Errorf("%w: %s is %s: adopt what works", ErrUnfit, c.title(), c.State.Health.Status)
	}
	return nil
}

// comesAlong refuses what a container has of the host beside the project's directory.
func (p Project) comesAlong(c container) error {
	if env := c.label(labelEnvFile); env != "" {
		if at, ok := p.within(env); !ok || at != ".env" {
			return fmt.Errorf("%w: %s has variables of %s: put them into .env beside the Compose file", ErrUnfit, c.title(), env)
		}
	}
	for _, m := range c.Mounts {
		if m.Type != "bind" || slices.Contains(harmless, m.Source) {
			continue
		}
		if _, ok := p.within(m.Source); !ok {
			return fmt.Errorf("%w: %s has %s of the host at %s: move it below %s, or into a volume", ErrUnfit, c.title(), m.Source, m.Destination, p.Dir)
		}
	}
	return nil
}

// isAlone refuses what others work in, who would go on with it: in volumes and in the directory.
func (a Adoption) isAlone(ctx context.Context, p Project) error {
	all, err := containers(ctx, a.Host, "status=running")
	if err != nil {
		return err
	}
	for _, c := range all {
		if slices.ContainsFunc(p.containers, func(ours container) bool { return ours.ID == c.ID }) {
			continue
		}
		if c.label(labelProject) == p.Name {
			return fmt.Errorf("%w: %s runs as well, which is no service's: stop it", ErrUnfit, c.title())
		}
		for _, m := range c.Mounts {
			_, below := p.within(m.Source)
			shared := m.Type == "bind" && below || m.Type == "volume" && slices.ContainsFunc(p.volumes, func(v volume) bool { return v.Name == m.Name })
			if shared {
				return fmt.Errorf("%w: %s, which is no container of the project's, works in %s: stop it", ErrUnfit, c.title(), cmp.Or(m.Name, m.Source))
			}
		}
	}
	return nil
}

// hasItsImage refuses a container that runs another image than its name stands for by now, as images travel by their names.
func (a Adoption) hasItsImage(ctx context.Context, c container) error {
	if strings.Contains(c.Config.Image, "@") {
		return fmt.Errorf("%w: %s names its image by digest, which docker save does not keep: give it a tag", ErrUnfit, c.title())
	}
	var images []struct {
		ID string `json:"Id"`
	}
	if err := inspect(ctx, a.Host, &images, "image", "inspect", c.Config.Image); err != nil {
		return err
	}
	if len(images) != 1 || images[0].ID != c.Image {
		return fmt.Errorf("%w: %s runs an older image than %s is now: docker compose up -d first", ErrUnfit, c.title(), c.Config.Image)
	}
	return nil
}

// checkUnnamed refuses data in a volume without a name: Compose would not find it again.
func (a Adoption) checkUnnamed(ctx context.Context, c container, m mount) error {
	if m.Type != "volume" || !unnamed(m.Name) || a.Leave {
		return nil
	}
	r, w := io.Pipe()
	go func() { w.CloseWithError(a.Host.Docker(ctx, nil, w, "cp", c.ID+":"+m.Destination, "-")) }()
	defer r.Close()
	entries := tar.NewReader(r)
	for n := 0; ; n++ {
		switch _, err := entries.Next(); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("cannot look into %s of %s: %w", m.Destination, c.title(), err)
		case n > 0: // the first is the directory itself
			return fmt.Errorf("%w: %s has data at %s in a volume without a name, which would stay behind: give it a name in the Compose file, or leave what is in there with --leave-unnamed",
				ErrUnfit, c.title(), m.Destination)
		}
	}
}
