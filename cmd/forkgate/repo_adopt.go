package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"forkgate/fork/adopt"
	"forkgate/gate"
	"forkgate/gate/warden/client"
	"forkgate/nsjail"
	"forkgate/nsjail/wire"
)

const adoptHelp = `Make a repository of a Docker Compose project that runs on this host: DIRECTORY is where its Compose file is. Its files, images and
volumes are copied, by the host's Docker and by the repository's, and it is started in the repository.

It is stopped while it is copied. What has not become as well as it was within --patience, healthy where somebody asks, is taken back: the
project runs again where it was, and nothing is left of the repository. What the project was stays on the host, stopped, until you remove it.

What cannot come along is refused before anything is stopped: files of the host's outside of DIRECTORY, volumes of other drivers, data in
volumes without a name, containers that are not well or whose image has another name by now. --plan says what would be done, and does nothing.

What containers have written beside their volumes stays behind; docker diff CONTAINER shows what that is. What it may reach, which ports it has
and whether it starts with the host are policy's to say: --plan prints a block. Should this program be killed meanwhile, or the host go down, the
project is stopped: the first line of what it says has the commands that have it run again.

  forkgate repo adopt /srv/shop --plan
  forkgate repo adopt /srv/shop --name shop`

func repoAdoptCommand() *cobra.Command {
	c := &cobra.Command{Use: "adopt DIRECTORY", Short: "make a repository of a Docker Compose project that runs on this host", Long: adoptHelp, Args: words(1, 1)}
	name := c.Flags().String("name", "", "the repository's name, if it is not to be the project's")
	patience := c.Flags().Duration("patience", 5*time.Minute, "how long it may take to become well")
	leave := c.Flags().Bool("leave-unnamed", false, "leave what is in volumes without a name behind")
	plan := c.Flags().Bool("plan", false, "say what would be done, and do nothing")
	asJSON := jsonFlag(c)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		// A terminal that goes away, or who reads what is said here, leaves nothing half done.
		signal.Ignore(syscall.SIGPIPE)
		ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGHUP)
		defer stop()
		host := hostDocker{}
		project, err := adopt.Find(ctx, host, args[0])
		if err != nil {
			return err
		}
		free, err := lockDir(project.Dir)
		if err != nil {
			return err
		}
		defer free()
		to := &podDocker{name: cmp.Or(*name, project.Name)}
		if err := to.free(ctx); err != nil {
			return err
		}
		a := adopt.Adoption{
			Host: host, To: to, User: nsjail.UID, Patience: *patience, Steady: 5 * time.Second, Leave: *leave,
			Say: func(line string) { fmt.Fprintln(cmd.ErrOrStderr(), gate.Printable(line)) },
		}
		act := a.Run
		if *plan {
			act = a.Check
		}
		if err := act(ctx, project); err != nil {
			return err
		}
		done := adopted{to.name, project.Summary()}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), done)
		}
		return done.print(cmd.OutOrStdout(), *plan)
	}
	return c
}

// lockDir keeps others from adopting what is in a directory.
func lockDir(path string) (free func() error, err error) {
	dir, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("somebody is adopting %s already: %w", path, err), dir.Close())
	}
	return dir.Close, nil
}

// adopted is what was done, or is to be.
type adopted struct {
	Repository string `json:"repository"`
	adopt.Summary
}

func (a adopted) print(out io.Writer, plan bool) error {
	text := fmt.Sprintf("%s: %s, %s, %s\n", gate.Printable(a.Directory), gate.Count(len(a.Containers), "container"), gate.Count(len(a.Images), "image"), gate.Count(len(a.Volumes), "volume"))
	publish, err := json.Marshal(a.Publish)
	if err != nil {
		return err
	}
	text += fmt.Sprintf("\nIt starts with the host, and is reached by its ports, with this in the policy:\n\n    repository %q {\n      autostart = true\n", a.Repository)
	if len(a.Publish) > 0 {
		text += "      publish   = " + strings.ReplaceAll(string(publish), ",", ", ") + "\n"
	}
	text += "    }\n\n"
	if len(a.Local) > 0 {
		text += "What the host alone reached is not at its ports any more, but by ssh -L: " + gate.Printable(strings.Join(a.Local, ", ")) + "\n\n"
	}
	if plan {
		text += "it can be adopted as " + a.Repository + "\n"
	} else {
		text += fmt.Sprintf("%s is made: ssh %[1]s@host\nWhat it was is stopped, and yours to remove:\n\n    docker rm %s\n", a.Repository, gate.Printable(strings.Join(a.Containers, " ")))
		if len(a.Volumes) > 0 {
			text += "    docker volume rm " + gate.Printable(strings.Join(a.Volumes, " ")) + "\n"
		}
	}
	_, err = io.WriteString(out, text)
	return err
}

// hostDocker is the host's own docker, wherever root's environment says its daemon is.
type hostDocker struct{}

func (hostDocker) Docker(ctx context.Context, in io.Reader, out io.Writer, args ...string) error {
	var complaint bytes.Buffer
	c := exec.CommandContext(ctx, "docker", args...)
	c.Stdin, c.Stdout, c.Stderr, c.WaitDelay = in, out, &complaint, 5*time.Second
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for this program, which ends it, and not for what it undoes then
	err := c.Run()
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return errors.New("this host has no docker: its client is what the project is copied with")
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return dockerError(args, err, complaint.String())
}

func dockerError(args []string, err error, complaint string) error {
	if err == nil {
		return nil
	}
	const most = 2000
	complaint = strings.TrimSpace(complaint)
	return fmt.Errorf("docker %s: %w: %s", args[0], err, gate.Printable(complaint[max(0, len(complaint)-most):]))
}

// podDocker is docker in the repository that there is to be.
type podDocker struct {
	name string
	made bool
}

// free refuses a name that is taken, or is none.
func (p *podDocker) free(ctx context.Context) error {
	if err := gate.CheckName(p.name); err != nil {
		return fmt.Errorf("%q is no name for a repository: %w; give it one with --name", p.name, err)
	}
	return withWarden(func(c *client.Client) error {
		s, err := c.Status(ctx)
		for _, name := range s.Names {
			if name == p.name {
				return fmt.Errorf("there is a repository %s already; give this one another name with --name", p.name)
			}
		}
		return err
	})
}

func (p *podDocker) Docker(ctx context.Context, in io.Reader, out io.Writer, args ...string) error {
	if out == nil {
		out = io.Discard
	}
	var complaint bytes.Buffer
	exit, err := runInRepo(ctx, p.name, append([]string{"docker"}, args...), in, out, &complaint)
	switch {
	case err != nil:
	case exit.Signal != "":
		err = errors.New("it was killed")
	case exit.Code != 0:
		err = fmt.Errorf("exit code %d", exit.Code)
	}
	return dockerError(args, err, complaint.String())
}

func (p *podDocker) Create(ctx context.Context, data *os.File) error {
	return withWarden(func(c *client.Client) error {
		// Who gives up ends the archive; the answer is waited for, as it says whether there is a repository.
		err := c.RepoCreate(context.WithoutCancel(ctx), client.RepoCreateRequest{Name: p.name, Source: "a project that is adopted", KeepOwners: true}, data, nil)
		p.made = err == nil
		return err
	})
}

func (p *podDocker) Remove(ctx context.Context) error {
	if !p.made {
		return nil
	}
	return withWarden(func(c *client.Client) error { return c.RepoRemove(ctx, p.name, p.name) })
}

func (p *podDocker) Rename(ctx context.Context, from, to string) error {
	_, err := p.prints(ctx, "mv", "-T", "--", from, to)
	return err
}

func (p *podDocker) Dir(ctx context.Context) (string, error) { return p.prints(ctx, "pwd") }

// prints is what a command prints in a line.
func (p *podDocker) prints(ctx context.Context, argv ...string) (string, error) {
	var text, complaint bytes.Buffer
	exit, err := runInRepo(ctx, p.name, argv, nil, &text, &complaint)
	if err == nil && exit != (wire.Exit{}) {
		err = fmt.Errorf("%s in the repository: exit code %d: %s", argv[0], exit.Code, gate.Printable(strings.TrimSpace(complaint.String())))
	}
	return strings.TrimSpace(text.String()), err
}
