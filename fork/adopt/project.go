package adopt

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Labels by which Compose knows what is its own (docker/compose, pkg/api/labels.go).
const (
	labelProject = "com.docker.compose.project"
	labelDir     = "com.docker.compose.project.working_dir"
	labelFiles   = "com.docker.compose.project.config_files"
	labelEnvFile = "com.docker.compose.project.environment_file"
	labelService = "com.docker.compose.service"
	labelNumber  = "com.docker.compose.container-number"
	labelOneOff  = "com.docker.compose.oneoff"
)

// Project is a Compose project as the host's Docker has it.
type Project struct {
	Name string
	Dir  string // where its files are, without links in it

	files      []string // its Compose files, below Dir
	containers []container
	volumes    []volume
}

// container is what docker inspect says of one.
type container struct {
	ID    string `json:"Id"`
	Name  string
	Image string // its id

	RestartCount int

	State struct {
		Status    string // created, running, paused, restarting, exited, dead
		ExitCode  int
		StartedAt time.Time
		Health    *struct{ Status string } // nil: nobody asks it
	}
	Config struct {
		Image, User, WorkingDir string
		Env, Cmd, Entrypoint    []string
		Labels                  map[string]string
	}
	HostConfig struct {
		NetworkMode   string
		RestartPolicy struct {
			Name              string
			MaximumRetryCount int
		}
		PortBindings map[string][]struct {
			HostIP   string `json:"HostIp"`
			HostPort string
		}
	}
	Mounts []mount
}

type mount struct {
	Type, Name, Source, Destination string
	RW                              bool
}

// volume is what docker volume inspect says of one.
type volume struct {
	Name    string
	Driver  string
	Options map[string]string
	Labels  map[string]string
}

// Find finds the project whose directory this is.
func Find(ctx context.Context, host Docker, dir string) (p Project, err error) {
	var all []container
	if p.Dir, all, err = look(ctx, host, dir); err != nil {
		return p, err
	}
	if len(all) == 0 {
		return p, fmt.Errorf("%w: the host's Docker has no containers of a project in %s; docker compose ls lists those that run", ErrUnfit, p.Dir)
	}
	p.Name = all[0].label(labelProject)
	for _, c := range all {
		switch {
		case c.label(labelProject) != p.Name:
			return p, fmt.Errorf("%w: in %s are two projects, %s and %s", ErrUnfit, p.Dir, p.Name, c.label(labelProject))
		case !c.oneOff():
			p.containers = append(p.containers, c)
		}
	}
	slices.SortFunc(p.containers, func(a, b container) int { return a.State.StartedAt.Compare(b.State.StartedAt) })
	if p.files, err = p.composeFiles(); err != nil {
		return p, err
	}
	p.volumes, err = p.findVolumes(ctx, host)
	return p, err
}

// Known reports whether Docker has containers of a project in a directory, running or not.
func Known(ctx context.Context, host Docker, dir string) (bool, error) {
	_, all, err := look(ctx, host, dir)
	return len(all) > 0, err
}

// look finds the containers of what is in a directory, and its name without links in it. Compose notes down the name that it was told, be it that of a
// link or not, and so it counts what the two names lead to.
func look(ctx context.Context, host Docker, dir string) (real string, all []container, err error) {
	said, err := filepath.Abs(dir)
	if err == nil {
		real, err = filepath.EvalSymlinks(said)
	}
	if err != nil {
		return "", nil, fmt.Errorf("cannot look for a project: %w", err)
	}
	at, err := os.Stat(real)
	if err != nil {
		return "", nil, fmt.Errorf("cannot look for a project: %w", err)
	}
	ids, err := startedIn(ctx, host, at)
	if err != nil || len(ids) == 0 {
		return real, nil, err
	}
	return real, all, inspect(ctx, host, &all, append([]string{"inspect", "--type", "container"}, ids...)...)
}

// startedIn are the ids of the containers that Compose has of projects in a directory. Others' are not inspected: one that goes away meanwhile is no matter.
func startedIn(ctx context.Context, host Docker, dir os.FileInfo) (ids []string, err error) {
	var listed bytes.Buffer
	format := `{{.ID}} {{json (.Label "` + labelDir + `")}}` // quoted, as names of directories may have line breaks
	if err := host.Docker(ctx, nil, &listed, "ps", "--all", "--no-trunc", "--filter", "label="+labelDir, "--format", format); err != nil {
		return nil, err
	}
	for line := range strings.Lines(listed.String()) {
		id, quoted, _ := strings.Cut(line, " ")
		var told string
		if err := json.Unmarshal([]byte(quoted), &told); err != nil {
			return nil, fmt.Errorf("cannot read what docker ps says: %w", err)
		}
		if there, err := os.Stat(told); err == nil && filepath.IsAbs(told) && os.SameFile(there, dir) { // err: it is gone, and so another one
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// containers are all that a filter of docker ps lets through, whether or not they run.
func containers(ctx context.Context, in Docker, filter string) (all []container, err error) {
	var ids bytes.Buffer
	if err := in.Docker(ctx, nil, &ids, "ps", "--all", "--quiet", "--no-trunc", "--filter", filter); err != nil {
		return nil, err
	}
	if ids.Len() == 0 {
		return nil, nil
	}
	return all, inspect(ctx, in, &all, append([]string{"inspect", "--type", "container"}, strings.Fields(ids.String())...)...)
}

// inspect reads the JSON that docker prints.
func inspect(ctx context.Context, in Docker, into any, args ...string) error {
	var text bytes.Buffer
	if err := in.Docker(ctx, nil, &text, args...); err != nil {
		return err
	}
	if err := json.Unmarshal(text.Bytes(), into); err != nil {
		return fmt.Errorf("cannot read what docker %s says: %w", args[0], err)
	}
	return nil
}

func (c container) label(name string) string { return c.Config.Labels[name] }

func (c container) oneOff() bool { return c.label(labelOneOff) == "True" }

// title is the container's name as people write it.
func (c container) title() string { return strings.TrimPrefix(c.Name, "/") }

// composeFiles are the files that the project was started with, as paths in its directory.
func (p Project) composeFiles() (files []string, err error) {
	said := p.containers
	if len(said) == 0 {
		return nil, fmt.Errorf("%w: %s has no containers but those of docker compose run", ErrUnfit, p.Name)
	}
	for _, file := range strings.Split(said[0].label(labelFiles), ",") {
		at, ok := p.within(file)
		if !ok {
			return nil, fmt.Errorf("%w: the Compose file %s of %s is not below %s; start it with files that are there", ErrUnfit, cmp.Or(file, "(unknown)"), p.Name, p.Dir)
		}
		files = append(files, at)
	}
	if where := filepath.Dir(files[0]); where != "." {
		return nil, fmt.Errorf("%w: the first Compose file of %s is in %s, where Compose would look for the project's directory by itself; put it at the top", ErrUnfit, p.Name, where)
	}
	return files, nil
}

// within is a path of the host's as one in the project's directory.
func (p Project) within(path string) (string, bool) {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	at, err := filepath.Rel(p.Dir, path)
	return at, err == nil && filepath.IsAbs(path) && filepath.IsLocal(at)
}

// findVolumes finds the volumes that have a name: those that containers have, and those that Compose has made for others.
func (p Project) findVolumes(ctx context.Context, host Docker) (all []volume, err error) {
	var listed bytes.Buffer
	if err := host.Docker(ctx, nil, &listed, "volume", "ls", "--quiet", "--filter", "label="+labelProject+"="+p.Name); err != nil {
		return nil, err
	}
	names := strings.Fields(listed.String())
	for _, c := range p.containers {
		for _, m := range c.Mounts {
			if m.Type == "volume" {
				names = append(names, m.Name)
			}
		}
	}
	slices.Sort(names)
	for _, name := range slices.DeleteFunc(slices.Compact(names), unnamed) {
		var one []volume
		if err := inspect(ctx, host, &one, "volume", "inspect", name); err != nil {
			return nil, err
		}
		if len(one) != 1 {
			return nil, fmt.Errorf("docker knows %d volumes called %s", len(one), name)
		}
		all = append(all, one[0])
	}
	return all, nil
}

// unnamed reports whether nobody has given a volume its name, which are 64 digits then.
func unnamed(name string) bool {
	return len(name) == 64 && strings.Trim(name, "0123456789abcdef") == ""
}

// images are the names of the images of all containers.
func (p Project) images() (names []string) {
	for _, c := range p.containers {
		names = append(names, c.Config.Image)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Summary is a project as people are told of it.
type Summary struct {
	Project    string   `json:"project"`
	Directory  string   `json:"directory"`
	Containers []string `json:"containers"`
	Images     []string `json:"images"`
	Volumes    []string `json:"volumes"`
	Publish    []string `json:"publish,omitempty"` // ports, as a repository's publish takes them
	Local      []string `json:"local,omitempty"`   // ports that the host alone reaches, and not any more
}

// Summary sums the project up.
func (p Project) Summary() Summary {
	s := Summary{Project: p.Name, Directory: p.Dir, Images: p.images(), Volumes: []string{}}
	s.Publish, s.Local = p.ports()
	for _, c := range p.containers {
		s.Containers = append(s.Containers, c.title())
	}
	for _, v := range p.volumes {
		s.Volumes = append(s.Volumes, v.Name)
	}
	return s
}

// ports are those of the host at which the project's containers are reached: by others, as a repository's publish takes them, and by the host alone.
func (p Project) ports() (published, local []string) {
	for _, c := range p.containers {
		for inside, bindings := range c.HostConfig.PortBindings {
			_, proto, _ := strings.Cut(inside, "/")
			for _, b := range bindings {
				at, err := netip.ParseAddr(cmp.Or(b.HostIP, "0.0.0.0"))
				switch {
				case b.HostPort == "":
				case err == nil && at.IsLoopback():
					local = append(local, net.JoinHostPort(b.HostIP, b.HostPort))
				default:
					published = append(published, b.HostPort+":"+b.HostPort+"/"+cmp.Or(proto, "tcp"))
				}
			}
		}
		if c.HostConfig.NetworkMode == "host" {
			local = append(local, "all of "+c.title()+", which has the host's network")
		}
	}
	slices.Sort(published)
	slices.Sort(local)
	return slices.Compact(published), slices.Compact(local)
}
