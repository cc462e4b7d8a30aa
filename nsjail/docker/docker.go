// Package docker asks the Docker daemon of a pod what there is, from the host.
//
// The daemon is the pod's, and so is its answer: it is read within bounds, shown and recorded, and nothing on the host is done by it. Where
// a container is to be stopped, it is that daemon which is told so.
package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"forkgate/nsjail"
)

const (
	maxAnswer = 4 << 20 // bytes
	maxThings = 4096    // of a kind
	maxName   = 256     // bytes of a name
)

// ErrAnswer says that the daemon answered what is none.
var ErrAnswer = errors.New("the Docker daemon's answer makes no sense")

// Inventory is what a daemon has.
type Inventory struct {
	Containers []Thing `json:"containers"`
	Images     []Thing `json:"images"`
	Volumes    []Thing `json:"volumes"`
}

// Thing is a container, an image or a volume.
type Thing struct {
	ID      string `json:"id"`
	Name    string `json:"name,omitempty"`
	Running bool   `json:"running,omitempty"` // of a container
}

// Daemon is a pod's. The first that is asked of it starts it.
type Daemon struct{ client *http.Client }

// Of is the daemon of a pod that runs.
func Of(runDir, guid string) Daemon {
	socket := nsjail.HostDockerSocket(runDir, guid)
	return Daemon{&http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", socket)
		},
		DisableKeepAlives: true, MaxResponseHeaderBytes: 64 << 10,
	}, CheckRedirect: func(*http.Request, []*http.Request) error { return ErrAnswer }}}
}

// List lists what the daemon has: containers that do not run included.
func (d Daemon) List(ctx context.Context) (Inventory, error) {
	var containers []struct {
		ID    string `json:"Id"`
		Names []string
		State string
	}
	var images []struct {
		ID       string `json:"Id"`
		RepoTags []string
	}
	var volumes struct{ Volumes []struct{ Name string } }
	for path, into := range map[string]any{"/containers/json?all=1": &containers, "/images/json": &images, "/volumes": &volumes} {
		if err := d.get(ctx, path, into); err != nil {
			return Inventory{}, fmt.Errorf("cannot list what a pod's Docker daemon has: %w", err)
		}
	}
	if len(containers) > maxThings || len(images) > maxThings || len(volumes.Volumes) > maxThings {
		return Inventory{}, fmt.Errorf("%w: more than %d of a kind", ErrAnswer, maxThings)
	}
	var all Inventory
	for _, c := range containers {
		all.Containers = append(all.Containers, Thing{cut(c.ID), cut(strings.TrimPrefix(first(c.Names), "/")), c.State == "running"})
	}
	for _, i := range images {
		all.Images = append(all.Images, Thing{ID: cut(i.ID), Name: cut(first(i.RepoTags))})
	}
	for _, v := range volumes.Volumes {
		all.Volumes = append(all.Volumes, Thing{ID: cut(v.Name)})
	}
	return all, nil
}

// Stop has the daemon stop a container, after the grace that it asks for, ten seconds at most.
func (d Daemon) Stop(ctx context.Context, id string) error {
	answer, err := d.call(ctx, http.MethodPost, "/containers/"+url.PathEscape(id)+"/stop?t=10")
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusNoContent && answer.StatusCode != http.StatusNotModified {
		return fmt.Errorf("%w: status %d", ErrAnswer, answer.StatusCode)
	}
	return nil
}

// call asks the daemon. The caller closes the answer's body.
func (d Daemon) call(ctx context.Context, method, path string) (*http.Response, error) {
	q, err := http.NewRequestWithContext(ctx, method, "http://docker"+path, nil)
	if err != nil {
		return nil, err
	}
	return d.client.Do(q)
}

func (d Daemon) get(ctx context.Context, path string, into any) error {
	answer, err := d.call(ctx, http.MethodGet, path)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	switch {
	case err != nil:
		return err
	case answer.StatusCode != http.StatusOK:
		return fmt.Errorf("%w: status %d", ErrAnswer, answer.StatusCode)
	case len(body) > maxAnswer:
		return fmt.Errorf("%w: longer than %d bytes", ErrAnswer, maxAnswer)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("%w: %v", ErrAnswer, err)
	}
	return nil
}

// Since is what is there now and was not before.
func (now Inventory) Since(before Inventory) Inventory {
	return Inventory{
		Containers: beyond(now.Containers, before.Containers), Images: beyond(now.Images, before.Images),
		Volumes: beyond(now.Volumes, before.Volumes),
	}
}

func beyond(now, before []Thing) (more []Thing) {
	for _, thing := range now {
		if !slices.ContainsFunc(before, func(b Thing) bool { return b.ID == thing.ID }) {
			more = append(more, thing)
		}
	}
	return more
}

// Patience is how long a daemon may take to start, and to answer.
const Patience = 20 * time.Second

func first(all []string) string {
	if len(all) == 0 {
		return ""
	}
	return all[0]
}

func cut(s string) string { return s[:min(len(s), maxName)] }
