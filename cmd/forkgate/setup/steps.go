package setup

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"forkgate/gate"
)

// Where things are, as cmd/forkgate has it.
const (
	poolUnit   = "/etc/systemd/system/var-lib-forkgate-pool.mount"
	policyDir  = "/etc/forkgate/policy.d"
	principals = policyDir + "/principals.hcl"
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

func nothing(*Host, Asker, *Answers) error { return nil }

func (h *Host) path(name string) string { return filepath.Join(h.Root, name) }

func poolThere(_ context.Context, h *Host) string {
	if _, err := os.Stat(h.path(poolUnit)); err == nil {
		return poolUnit + " mounts one"
	}
	return ""
}

func askPool(_ *Host, asker Asker, a *Answers) (err error) {
	if a.Device == "" && a.Size == "" {
		a.Device, err = asker.Ask("an empty disk for repositories and forks, such as /dev/sdb, or none for a file that grows as it is used", "")
	}
	if err == nil && a.Device == "" && a.Size == "" {
		a.Size, err = asker.Ask("how large the file may become", "20G")
	}
	return err
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
	if h.lists(ctx, "rootfs") {
		return "there is a rootfs"
	}
	return ""
}

func askRootfs(h *Host, asker Asker, a *Answers) (err error) {
	if a.Rootfs == "" {
		a.Rootfs, err = asker.Ask("a tar file with a Debian for sessions, or none to build one from Debian's packages: some minutes, and the network", "")
	}
	if err == nil && a.Rootfs != "" {
		_, err = os.Stat(a.Rootfs)
	}
	return err
}

func makeRootfs(ctx context.Context, h *Host, a Answers) error {
	if a.Rootfs != "" {
		return h.forkgate(ctx, "rootfs", "import", a.Rootfs)
	}
	return h.forkgate(ctx, "rootfs", "build")
}

func repoThere(ctx context.Context, h *Host) string {
	if h.lists(ctx, "repo") {
		return "there are repositories"
	}
	return ""
}

// lists reports whether forkgate lists any of a kind. A warden that does not run yet lists none.
func (h *Host) lists(ctx context.Context, kind string) bool {
	out, err := h.Output(ctx, h.Self, kind, "list", "--json")
	var all []json.RawMessage
	return err == nil && json.Unmarshal([]byte(out), &all) == nil && len(all) > 0
}

func askRepo(_ *Host, asker Asker, a *Answers) (err error) {
	if a.From == "" && a.Repo == "" {
		a.From, err = asker.Ask("what is to be the first repository: a directory, a tar file, or a directory with a Compose project that runs; none to do it later", "")
	}
	if err != nil || a.From == "" && a.Repo == "" {
		return err
	}
	if a.From != "" {
		if a.From, err = filepath.Abs(a.From); err != nil {
			return err
		}
		if _, err := os.Stat(a.From); err != nil {
			return err
		}
	}
	if a.Repo == "" {
		a.Repo, err = asker.Ask("its name", named(a.From))
	}
	if err != nil {
		return err
	}
	if err := gate.CheckName(a.Repo); err != nil {
		return fmt.Errorf("%q cannot be a repository: %w", a.Repo, err)
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
	case h.runs(ctx, a.From):
		return h.forkgate(ctx, "repo", "adopt", a.From, "--name", a.Repo)
	}
	return h.forkgate(ctx, "repo", "create", a.Repo, "--from", a.From)
}

// runs reports whether a Compose project that runs is in the directory: such a one is adopted, as a copy of its files would not be of one moment.
func (h *Host) runs(ctx context.Context, dir string) bool {
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return false
	}
	out, err := h.Output(ctx, "docker", "ps", "--quiet", "--filter", "label=com.docker.compose.project.working_dir="+dir)
	return err == nil && strings.TrimSpace(out) != ""
}
