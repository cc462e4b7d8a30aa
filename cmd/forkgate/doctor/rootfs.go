package doctor

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"forkgate/nsjail/idmap"
)

// Rootfs is what was imported as one: its digest, and its Docker as "docker.io 26.1.5", empty if there is none.
type Rootfs struct{ Digest, Docker string }

// maxStatus is how many bytes of a rootfs's list of packages are read. A Debian with a desktop has some 5 MB.
const maxStatus = 32 << 20

// rootfs lists a pool's rootfs directory. The names down to the digest are root's own, the ones below are not.
func rootfs(pool string) ([]Rootfs, error) {
	top, err := os.Open(pool)
	if err != nil {
		return nil, err
	}
	defer top.Close()
	dir, err := idmap.OpenBeneath(top, "rootfs", unix.O_RDONLY|unix.O_DIRECTORY)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	var all []Rootfs
	for _, name := range names {
		docker, err := dockerIn(dir, name)
		if err != nil {
			return nil, err
		}
		all = append(all, Rootfs{Digest: name, Docker: docker})
	}
	return all, nil
}

// dockerIn reads the list of packages of a rootfs. What is no plain file, or lies behind a link, is not read.
func dockerIn(dir *os.File, digest string) (string, error) {
	status, err := idmap.OpenBeneath(dir, digest+"/var/lib/dpkg/status", unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY)
	if errors.Is(err, os.ErrNotExist) {
		return "", nil // another distribution's
	}
	if err != nil {
		return "", err
	}
	defer status.Close()
	if info, err := status.Stat(); err != nil || !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s is no plain file", status.Name())
	}
	return findDocker(io.LimitReader(status, maxStatus))
}

// engines are the packages that have dockerd in them.
var engines = []string{"docker.io", "docker-ce", "moby-engine"}

// findDocker goes through dpkg's list: paragraphs of "Field: value" (deb-control(5)).
func findDocker(status io.Reader) (string, error) {
	lines := bufio.NewScanner(status)
	lines.Buffer(nil, 1<<20)
	var name, version string
	var installed bool
	for more := true; more; {
		more = lines.Scan()
		switch field, value, _ := strings.Cut(lines.Text(), ": "); {
		case !more || field == "":
			if installed && slices.Contains(engines, name) {
				return name + " " + version, nil
			}
			name, version, installed = "", "", false
		case field == "Package":
			name = value
		case field == "Version":
			version = value
		case field == "Status":
			installed = strings.HasSuffix(value, " installed")
		}
	}
	return "", lines.Err()
}

// oldestDocker is the first release that is known to run in a pod.
const oldestDocker = 20

func rootfsCheck(_ context.Context, h *Host) finding {
	if _, found := h.mounted(h.Pool); !found {
		return red("forkgate pool init", "no pool")
	}
	all, err := h.Kernel.Rootfs(h.Pool)
	const build = "forkgate rootfs build"
	switch {
	case err != nil:
		return red(build, "cannot be read: %v", err)
	case len(all) == 0:
		return red(build, "none in the pool")
	}
	level, found := Green, []string{}
	for _, one := range all {
		text := one.Docker
		if text == "" {
			text = "no Docker"
		}
		if major(one.Docker) < oldestDocker {
			level = Yellow
		}
		found = append(found, text+" in "+one.Digest[:min(12, len(one.Digest))])
	}
	f := finding{level: level, found: strings.Join(found, ", ")}
	if level != Green {
		f.do = build
	}
	return f
}

// major is the 26 of "docker.io 26.1.5+dfsg1-9" and of "docker-ce 5:28.0.1-1"; 0 where there is none.
func major(docker string) int {
	_, version, _ := strings.Cut(docker, " ")
	if _, after, found := strings.Cut(version, ":"); found {
		version = after
	}
	number, _, _ := strings.Cut(version, ".")
	n, _ := strconv.Atoi(number)
	return n
}
