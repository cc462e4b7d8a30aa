package setup

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// Projects are the Compose projects that the host's Docker knows.
type Projects interface {
	// Known reports whether it has containers of one in a directory, running or not.
	Known(ctx context.Context, dir string) (bool, error)
}

// project reports whether there is one in a directory: it is adopted, or refused with the reason, as a copy of its files would be of no one moment and without
// its volumes. why is set where there is a Compose file and no such project.
func (h *Host) project(ctx context.Context, dir string) (there bool, why string) {
	there, err := h.Projects.Known(ctx, dir)
	switch {
	case there || !hasComposeFile(dir):
		return there, ""
	case err != nil:
		return false, fmt.Sprintf("Docker cannot be asked about it: %v", err)
	}
	return false, "the host's Docker has no containers of it; with them: docker compose up, and forkgate repo adopt DIRECTORY in its place"
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
