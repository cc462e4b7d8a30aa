package setup

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"forkgate/fork"
	"forkgate/gate"
)

// Where things are, as cmd/forkgate has it.
const (
	poolUnit   = "/etc/systemd/system/var-lib-forkgate-pool.mount"
	policyDir  = "/etc/forkgate/policy.d"
	principals = policyDir + "/principals.hcl"
	pool       = "/var/lib/forkgate/pool"
)

// steps are all of it, in their order.
func steps() []step {
	return []step{
		{"the pool", poolThere, askPool, makePool},
		{"host keys", hostKeysThere, askHostKeys, makeHostKeys},
		{"who may speak", principalThere, askPrincipal, makePrincipal},
		{"the services", servicesThere, nothing, startServices},
		{"the tools inside sessions", rootfsThere, askRootfs, makeRootfs},
		{"the first repository", repoThere, askRepo, makeRepo},
		{"port 22", portThere, askPort, takePort},
		{"the other doors", doorsThere, askDoors, closeDoors},
	}
}

func nothing(context.Context, *Host, Asker, *Answers) error { return nil }

func (h *Host) path(name string) string { return filepath.Join(h.Root, name) }

func poolThere(_ context.Context, h *Host) string {
	if _, err := os.Stat(h.path(poolUnit)); err == nil {
		return poolUnit + " mounts one"
	}
	return ""
}

func askPool(ctx context.Context, h *Host, asker Asker, a *Answers) error {
	if a.Size == "" {
		err := askOrNone(ctx, asker, &a.Device, "an empty disk for repositories and forks, such as /dev/sdb, or none for a file that grows as it is used",
			func(path string) error { return h.Pools.Device(ctx, path) })
		if err != nil || a.Device != "" {
			return err
		}
	}
	return ask(ctx, asker, &a.Size, "how large the file may become", "20G", h.Pools.Size)
}

func makePool(ctx context.Context, h *Host, a Answers) error {
	if a.Device != "" {
		return h.forkgate(ctx, "pool", "init", "--device", a.Device)
	}
	return h.forkgate(ctx, "pool", "init", "--size", a.Size)
}

func servicesThere(ctx context.Context, h *Host) string {
	if out, _ := h.Output(ctx, "systemctl", "is-enabled", "forkgate.target"); strings.TrimSpace(out) != "enabled" {
		return ""
	}
	for _, unit := range []string{"forkgate-warden.service", "forkgate-gate.socket"} {
		if out, _ := h.Output(ctx, "systemctl", "is-active", unit); strings.TrimSpace(out) != "active" {
			return ""
		}
	}
	return "forkgate.target is enabled, and runs"
}

// startServices checks the policy first: with one that does not load, nobody would get in, and the reason would be in the journal.
func startServices(ctx context.Context, h *Host, _ Answers) error {
	if err := h.forkgate(ctx, "policy", "check"); err != nil {
		return err
	}
	return h.system(ctx, "systemctl", "enable", "--now", "forkgate.target")
}

func rootfsThere(ctx context.Context, h *Host) string {
	if h.has(ctx, "rootfs", "rootfs") {
		return "there is a rootfs"
	}
	return ""
}

func askRootfs(ctx context.Context, _ *Host, asker Asker, a *Answers) error {
	return askOrNone(ctx, asker, &a.Rootfs, "a tar file with a Debian for sessions, or none to build one from Debian's packages: some minutes, and the network", checkTar)
}

// checkTar is for a file, or a disk that holds one, and looks at how it begins; what else is in it is seen when it is unpacked.
func checkTar(name string) error {
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() && info.Mode().Type() != os.ModeDevice {
		return fmt.Errorf("%s is no tar file", name)
	}
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	switch looks, err := fork.LooksLikeTar(file); {
	case err != nil:
		return fmt.Errorf("cannot read %s: %w", name, err)
	case !looks:
		return fmt.Errorf("%s is no tar file: plain, or by gzip, xz or zstd", name)
	}
	return nil
}

// checkFrom is for what a repository can be made of.
func checkFrom(name string) error {
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		return nil
	}
	return checkTar(name)
}

func makeRootfs(ctx context.Context, h *Host, a Answers) error {
	if a.Rootfs != "" {
		return h.forkgate(ctx, "rootfs", "import", a.Rootfs)
	}
	return h.forkgate(ctx, "rootfs", "build")
}

func repoThere(ctx context.Context, h *Host) string {
	if h.has(ctx, "repo", "repos") {
		return "there are repositories"
	}
	return ""
}

// has reports whether forkgate lists any of a kind. A warden that does not run lists nothing, and then the pool is looked at, where each has a directory.
func (h *Host) has(ctx context.Context, kind, dir string) bool {
	out, err := h.Output(ctx, h.Self, kind, "list", "--json")
	var all []json.RawMessage
	if err == nil && json.Unmarshal([]byte(out), &all) == nil {
		return len(all) > 0
	}
	entries, err := os.ReadDir(h.path(filepath.Join(pool, dir)))
	return err == nil && len(entries) > 0
}

func askRepo(ctx context.Context, _ *Host, asker Asker, a *Answers) error {
	if a.From != "" || a.Repo == "" {
		err := askOrNone(ctx, asker, &a.From, "what is to be the first repository: a directory, a tar file, or a directory with a Compose project that runs; none to do it later",
			checkFrom)
		if err != nil || a.From == "" {
			return err
		}
		if a.From, err = filepath.Abs(a.From); err != nil {
			return err
		}
	}
	return ask(ctx, asker, &a.Repo, "its name", named(a.From), checkRepo)
}

func checkRepo(name string) error {
	if err := gate.CheckRepoName(name); err != nil {
		return fmt.Errorf("%q cannot be a repository: %w", name, err)
	}
	return nil
}

// named is a name for what is made of a file or directory.
func named(from string) string {
	name, _, _ := strings.Cut(filepath.Base(from), ".")
	return strings.ToLower(name)
}

func makeRepo(ctx context.Context, h *Host, a Answers) error {
	switch {
	case a.Repo == "":
		fmt.Fprintln(h.Out, "none yet; later: forkgate repo create NAME --from DIRECTORY, or forkgate repo adopt DIRECTORY")
		return nil
	case a.From == "":
		return h.forkgate(ctx, "repo", "create", a.Repo)
	}
	switch there, why := h.project(ctx, a.From); {
	case there:
		fmt.Fprintf(h.Out, "the host's Docker has a Compose project there, which is taken with its volumes; for its files alone: forkgate repo create %s --from %s\n", a.Repo, quoted(a.From))
		return h.forkgate(ctx, "repo", "adopt", a.From, "--name", a.Repo)
	case why != "":
		fmt.Fprintf(h.Out, "its files are taken, and no volumes: there is a Compose file, but %s\n", why)
	}
	return h.forkgate(ctx, "repo", "create", a.Repo, "--from", a.From)
}
