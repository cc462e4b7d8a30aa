package setup

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// project reports whether the host's Docker has containers of a Compose project in a directory, running or not: such a one is adopted, or refused with the reason,
// as a copy of its files would be of no one moment and without its volumes. why is set where there is a Compose file and no such project.
func (h *Host) project(ctx context.Context, dir string) (there bool, why string) {
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return false, ""
	}
	for _, at := range []string{real, dir} { // Compose notes down what it was told
		out, err := h.Output(ctx, "docker", "ps", "--all", "--quiet", "--filter", "label=com.docker.compose.project.working_dir="+at)
		switch {
		case err != nil && hasComposeFile(real):
			return false, fmt.Sprintf("Docker cannot be asked about it: %v", err)
		case err != nil:
			return false, ""
		case strings.TrimSpace(out) != "":
			return true, ""
		}
	}
	if hasComposeFile(real) {
		return false, "the host's Docker has no containers of it; with them: docker compose up, and forkgate repo adopt DIRECTORY in its place"
	}
	return false, ""
}

// hasComposeFile looks for those that Compose does (https://docs.docker.com/compose/intro/compose-application-model/).
func hasComposeFile(dir string) bool {
	for _, name := range []string{"compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			return true
		}
	}
	return false
}
