package adopt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"
)

// copyImages has the one daemon save what the other loads.
func (a Adoption) copyImages(ctx context.Context, p Project) error {
	return a.between("images", func(w io.Writer) error { return a.Host.Docker(ctx, nil, w, append([]string{"save"}, p.images()...)...) },
		func(r io.Reader) error { return a.To.Docker(ctx, r, nil, "load", "--quiet") })
}

// copyVolume makes a volume of the same name, and puts there what is in the old one. It is done by way of a container that is never started, whose
// image has nothing at that place: a volume that is empty would get what is there.
func (a Adoption) copyVolume(ctx context.Context, p Project, v volume) error {
	create := []string{"volume", "create"}
	for name, value := range v.Labels {
		create = append(create, "--label", name+"="+value)
	}
	if err := a.To.Docker(ctx, nil, nil, append(create, v.Name)...); err != nil {
		return err
	}
	// docker cp names what it packs as the directory is called, and so that has to be called the same.
	const helper, place = "forkgate-adopts", "/forkgate-adopts"
	at := path.Join(place, path.Base(v.at))
	if err := a.To.Docker(ctx, nil, nil, "create", "--name", helper, "--volume", v.Name+":"+at, "--entrypoint", "/none", v.of.Config.Image, "none"); err != nil {
		return err
	}
	err := a.between(v.Name, func(w io.Writer) error { return a.Host.Docker(ctx, nil, w, "cp", v.of.ID+":"+v.at, "-") },
		func(r io.Reader) error { return a.To.Docker(ctx, r, nil, "cp", "-", helper+":"+place) })
	if err != nil {
		err = fmt.Errorf("cannot copy the volume %s: %w", v.Name, err)
	}
	return errors.Join(err, a.To.Docker(ctx, nil, nil, "rm", helper))
}

// between has one write what the other reads. The first to fail is why.
func (a Adoption) between(what string, write func(io.Writer) error, read func(io.Reader) error) error {
	r, w := io.Pipe()
	wrote := make(chan error, 1)
	go func() {
		err := write(&counter{to: w, say: func(bytes int64) { a.Say(fmt.Sprintf("%s: %.1f MB", what, float64(bytes)/1e6)) }})
		w.CloseWithError(err)
		wrote <- err
	}()
	err := read(r)
	r.CloseWithError(err) // nil: it has read all that it wants
	if writing := <-wrote; writing != nil && (err != nil || !errors.Is(writing, io.ErrClosedPipe)) {
		return errors.Join(writing, err)
	}
	return err
}

// counter says now and then how much has gone through it.
type counter struct {
	to   io.Writer
	say  func(int64)
	n    int64
	said time.Time
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.to.Write(p)
	c.n += int64(n)
	switch now := time.Now(); {
	case c.said.IsZero():
		c.said = now
	case now.Sub(c.said) >= 5*time.Second:
		c.said = now
		c.say(c.n)
	}
	return n, err
}

// unchanged reports whether names are the same in both, in any order.
func unchanged(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return strings.Join(a, "\n") == strings.Join(b, "\n")
}
