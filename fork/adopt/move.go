package adopt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// copyDocker copies what Docker has of the project.
func (a Adoption) copyDocker(ctx context.Context, p Project) error {
	a.Say("copying " + strings.Join(p.images(), ", "))
	if err := a.copyImages(ctx, p); err != nil {
		return err
	}
	for _, v := range p.volumes {
		a.Say("copying the volume " + v.Name)
		if err := a.copyVolume(ctx, p, v); err != nil {
			return err
		}
	}
	return nil
}

// copyImages has the one daemon save what the other loads.
func (a Adoption) copyImages(ctx context.Context, p Project) error {
	return a.between("images", func(w io.Writer) error { return a.Host.Docker(ctx, nil, w, append([]string{"save"}, p.images()...)...) },
		func(r io.Reader) error { return a.To.Docker(ctx, r, nil, "load", "--quiet") })
}

// helper is a container on either side that has one volume, and is never started. Its image has nothing at that place: a volume that is empty would
// get what is there. docker cp names what it packs as the directory is called, and so that is called the same.
const helper, place, inPlace = "forkgate-adopts-", "/forkgate-adopts", "/forkgate-adopts/volume"

// copyVolume makes a volume of the same name, and puts there what is in the old one.
func (a Adoption) copyVolume(ctx context.Context, p Project, v volume) (err error) {
	create := []string{"volume", "create"}
	for name, value := range v.Labels {
		create = append(create, "--label", name+"="+value)
	}
	if err := a.To.Docker(ctx, nil, nil, append(create, v.Name)...); err != nil {
		return err
	}
	name := helper + p.Name
	_ = a.Host.Docker(ctx, nil, nil, "rm", "--force", "--volumes", name) // of an adoption that was killed
	for _, side := range []Docker{a.Host, a.To} {
		if err := side.Docker(ctx, nil, nil, "create", "--name", name, "--volume", v.Name+":"+inPlace, "--entrypoint", "/none", p.images()[0], "none"); err != nil {
			return err
		}
		defer func() { // with the volumes that its image has it have, which have no name
			err = errors.Join(err, side.Docker(context.WithoutCancel(ctx), nil, nil, "rm", "--force", "--volumes", name))
		}()
	}
	err = a.between(v.Name, func(w io.Writer) error { return a.Host.Docker(ctx, nil, w, "cp", name+":"+inPlace, "-") },
		func(r io.Reader) error { return a.To.Docker(ctx, r, nil, "cp", "-", name+":"+place) })
	if err != nil {
		return fmt.Errorf("cannot copy the volume %s: %w", v.Name, err)
	}
	return nil
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
