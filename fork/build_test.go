package fork

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"forkgate/tests/need"
)

// nowhere refuses connections.
const nowhere = "http://127.0.0.1:9/debian"

func TestBuildRootfsFromNowhere(t *testing.T) {
	need.Root(t)
	need.Tools(t, "mmdebstrap")
	file := t.TempDir() + "/rootfs.tar"
	heard := 0
	err := BuildRootfs(context.Background(), RootfsOptions{Mirror: nowhere}, file, func(string) { heard++ })
	if err == nil || !strings.Contains(err.Error(), "Could not connect") || strings.Contains(err.Error(), "\n") {
		t.Errorf("%v, want one line that says why", err)
	}
	if heard == 0 {
		t.Error("nobody heard what mmdebstrap did")
	}
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("half an archive is left: %v", err)
	}

	write(t, file, "somebody's")
	if err := BuildRootfs(context.Background(), RootfsOptions{Mirror: nowhere}, file, nil); !errors.Is(err, os.ErrExist) {
		t.Errorf("%v, want %v", err, os.ErrExist)
	}
	wantContent(t, file, "somebody's")
}
