package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"time"

	"forkgate/fork"
)

// Host is what the checks look at.
type Host struct {
	Files  fs.FS  // the root directory
	Root   bool   // whether root is looking
	Pool   string // where the pool is mounted, or ought to be
	Run    Runner
	Kernel Kernel

	// Policy lists the ports that policy publishes, by repository: all that have a block, and the caller's own map. Nil: it cannot be seen.
	Policy func() (map[string][]string, error)

	// HostKeys lists the gate's host keys and their certificates. Nil: they cannot be seen.
	HostKeys func() ([]HostKey, error)
}

// Runner runs a program and returns its standard output.
type Runner func(ctx context.Context, argv ...string) (string, error)

// Kernel answers what no file says.
type Kernel interface {
	// UserNamespace makes one, as each pod has.
	UserNamespace() error
	// IDMap maps the ids of a directory, as they are mapped for each pod.
	IDMap(dir string) error
	// Landlock is its version, 0 where there is none.
	Landlock() int
	// Synchronized reports whether something keeps the clock right.
	Synchronized() (bool, error)
	// Room is how much of a pool is left.
	Room(pool string) (fork.Room, error)
	// Btrfs is the UUID of a btrfs.
	Btrfs(dir string) (uuid string, err error)
	// Rootfs lists what is in a pool's rootfs directory.
	Rootfs(pool string) ([]Rootfs, error)
}

// Here is the host that this process runs on.
func Here(pool string, policy func() (map[string][]string, error), keys func() ([]HostKey, error)) *Host {
	return &Host{Files: os.DirFS("/"), Root: os.Geteuid() == 0, Pool: pool, Run: run, Kernel: kernel{}, Policy: policy, HostKeys: keys}
}

// patience is how long a program may take. None of those that are run here waits for anything.
const patience = 20 * time.Second

func run(ctx context.Context, argv ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	c := exec.CommandContext(ctx, argv[0], argv[1:]...)
	c.Env = append(os.Environ(), "LC_ALL=C", "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin")
	if c.Err != nil {
		if path := find(argv[0]); path != "" {
			c.Path, c.Err = path, nil
		}
	}
	out, err := c.Output()
	return string(out), err
}

// find looks where root's programs are: they are not on everybody's PATH.
func find(name string) string {
	for _, dir := range []string{"/usr/sbin/", "/sbin/"} {
		if path, err := exec.LookPath(dir + name); err == nil {
			return path
		}
	}
	return ""
}

// read returns a file's text without white space at its ends; false where it cannot be read.
func (h *Host) read(path string) (string, bool) {
	text, err := fs.ReadFile(h.Files, path)
	return strings.TrimSpace(string(text)), err == nil
}

func (h *Host) exists(path string) bool {
	_, err := fs.Stat(h.Files, path)
	return err == nil
}

// gone is sure that there is nothing: what cannot be seen may be there.
func (h *Host) gone(path string) bool {
	_, err := fs.Stat(h.Files, path)
	return errors.Is(err, fs.ErrNotExist)
}

// sysctl reads a kernel setting by its name.
func (h *Host) sysctl(name string) (string, bool) {
	return h.read("proc/sys/" + strings.ReplaceAll(name, ".", "/"))
}

// asRoot is for what only root can see.
func asRoot(probe func(context.Context, *Host) finding) func(context.Context, *Host) finding {
	return func(ctx context.Context, h *Host) finding {
		if !h.Root {
			return yellow("sudo forkgate doctor", "cannot be seen without root")
		}
		return probe(ctx, h)
	}
}

// release tells Debian's releases and the others apart, where what to type differs (os-release(5)).
func (h *Host) release() (id, version string) {
	text, _ := h.read("etc/os-release")
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch value = strings.Trim(value, `"`); key {
		case "ID":
			id = value
		case "VERSION_ID":
			version = value
		}
	}
	return id, version
}

// install is how a program of Debian's is had.
func install(packages string) string { return fmt.Sprintf("apt-get install %s", packages) }
