package inside

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// settledFile names whose Docker directory this is. A fork's is a copy of its parent's, and has the parent's name in it.
const settledFile = "forkgate-settled"

// settle takes out of a copied Docker directory what belongs to the containers of the one that it was copied from, before any daemon
// sees it: a container with a restart policy would start here as well. The cache of builds goes too, in which is what they were given.
// Images and volumes stay.
//
// It works with the pod's ids inside the pod's mounts: whatever a fork's root has planted here leads nowhere else.
func settle(root, guid string) error {
	if owner, err := os.ReadFile(filepath.Join(root, settledFile)); err == nil && string(owner) == guid {
		return nil
	}
	return settleAnew(root, guid)
}

// settleAnew does so though it was done before.
func settleAnew(root, guid string) error {
	err := errors.Join(removeLayers(root), removeUnknown(root))
	for _, name := range []string{
		"containers", "network", "plugins", "swarm", "tmp", "runtimes", "buildkit", "builder",
		"containerd/daemon/io.containerd.runtime.v2.task", "containerd/daemon/tmpmounts",
	} {
		err = errors.Join(err, os.RemoveAll(filepath.Join(root, name)))
	}
	if err == nil {
		err = replace(filepath.Join(root, settledFile), guid)
	}
	if err != nil {
		return fmt.Errorf("cannot settle the Docker directory: %w", err)
	}
	return nil
}

// removeLayers removes the writable layers of containers. Docker knows them as mounts: a directory for each container, with the
// names of its two layers (docker's layer store, layer/filestore.go).
func removeLayers(root string) error {
	driver := filepath.Join(root, "overlay2")
	mounts, err := filepath.Glob(filepath.Join(root, "image/overlay2/layerdb/mounts/*"))
	for _, mnt := range mounts {
		for _, file := range []string{"mount-id", "init-id"} {
			layer, unread := os.ReadFile(filepath.Join(mnt, file))
			if errors.Is(unread, os.ErrNotExist) {
				continue
			}
			err = errors.Join(err, unread, removeLayer(driver, string(layer)))
		}
		err = errors.Join(err, os.RemoveAll(mnt))
	}
	return err
}

// removeUnknown removes the layers that are no image's: those of builds, of which BuildKit alone knows, and those that a daemon has left when it
// was killed. Images name theirs in files (docker's layer store, layer/filestore.go).
func removeUnknown(root string) error {
	driver := filepath.Join(root, "overlay2")
	images := filepath.Join(root, "image/overlay2/layerdb/sha256")
	chains, err := os.ReadDir(images)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	known := map[string]bool{"l": true}
	for _, chain := range chains {
		layer, err := os.ReadFile(filepath.Join(images, chain.Name(), "cache-id"))
		if err != nil { // then nobody knows which are unknown
			return err
		}
		known[string(layer)] = true
	}
	layers, err := os.ReadDir(driver)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	for _, layer := range layers {
		if layer.IsDir() && !known[layer.Name()] {
			err = errors.Join(err, removeLayer(driver, layer.Name()))
		}
	}
	return err
}

// removeLayer removes a layer and the short name that it has beside it.
func removeLayer(driver, layer string) error {
	if layer == "" || layer == "l" || strings.ContainsAny(layer, "/.") {
		return fmt.Errorf("%.80q is no layer", layer)
	}
	if short, err := os.ReadFile(filepath.Join(driver, layer, "link")); err == nil && !strings.ContainsAny(string(short), "/.") {
		if err := os.Remove(filepath.Join(driver, "l", string(short))); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return os.RemoveAll(filepath.Join(driver, layer))
}

// replace writes a file in one step, and to the disk: only what is on the disk is settled.
func replace(path, text string) error {
	draft := path + ".new"
	if err := os.Remove(draft); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(draft, os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(draft, path)
}
