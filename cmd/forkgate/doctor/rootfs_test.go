package doctor

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

const status = "Package: docker-cli\nStatus: install ok installed\nVersion: 1\n\n" +
	"Package: docker.io\nStatus: install ok installed\nPriority: optional\nDescription: x\n Package: docker-ce\nVersion: 26.1.5+dfsg1-9+b9\n"

// planted makes a pool with one rootfs, whose list of packages is what plant makes of its path.
func planted(t *testing.T, plant func(file string) error) string {
	t.Helper()
	pool := t.TempDir()
	dir := filepath.Join(pool, "rootfs", "d1", "var", "lib", "dpkg")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := plant(filepath.Join(dir, "status")); err != nil {
		t.Fatal(err)
	}
	return pool
}

func TestDockerOfARootfs(t *testing.T) {
	for text, want := range map[string]string{
		status: "docker.io 26.1.5+dfsg1-9+b9",
		"":     "",
		strings.Replace(status, "Package: docker.io\nStatus: install ok installed", "Package: docker.io\nStatus: deinstall ok config-files", 1): "",
		"Status: install ok installed\nVersion: 5:28.0\nPackage: docker-ce\n":                                                                   "docker-ce 5:28.0",
	} {
		pool := planted(t, func(file string) error { return os.WriteFile(file, []byte(text), 0o600) })
		all, err := rootfs(pool)
		if err != nil || len(all) != 1 || all[0] != (Rootfs{"d1", want}) {
			t.Errorf("%q has %+v, %v", text, all, err)
		}
	}
	if all, err := rootfs(t.TempDir()); err != nil || len(all) != 0 {
		t.Errorf("an empty pool has %+v, %v", all, err)
	}
}

// Whoever makes a rootfs chooses the names in it: they must not lead root to another file, or hold it up.
func TestDoctorFollowsNoPlantedName(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "status")
	if err := os.WriteFile(secret, []byte("Package: docker.io\nStatus: install ok installed\nVersion: 99-secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, plant := range map[string]func(string) error{
		"a link": func(file string) error { return os.Symlink(secret, file) },
		"a link further up": func(file string) error {
			dir := filepath.Dir(file)
			if err := os.Remove(dir); err != nil {
				return err
			}
			return os.Symlink(filepath.Dir(secret), dir)
		},
		"a pipe":      func(file string) error { return syscall.Mkfifo(file, 0o600) },
		"a directory": func(file string) error { return os.Mkdir(file, 0o700) },
	} {
		pool := planted(t, plant)
		all, err := rootfs(pool)
		if err == nil {
			t.Errorf("%s was read: %+v", name, all)
		}
		if !strings.Contains(name, "link") {
			continue
		}
		// The control: opened by its name, the link leads out.
		if text, err := os.ReadFile(filepath.Join(pool, "rootfs/d1/var/lib/dpkg/status")); err != nil || !strings.Contains(string(text), "secret") {
			t.Errorf("%s leads nowhere, this test proves nothing: %s, %v", name, text, err)
		}
	}
}
