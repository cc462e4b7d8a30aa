package packaging_test

import (
	"crypto/sha256"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"forkgate/tests/need"
)

// Two people who build one commit get the same bytes, wherever their checkouts lie, whenever they do it, and whatever their umask is: so anybody can tell that
// a package is what its source says.
func TestPackagesAreReproducible(t *testing.T) {
	need.Tools(t, "make", "git", "dpkg-deb", "x86_64-linux-gnu-gcc")
	other := filepath.Join(t.TempDir(), "another", "checkout")
	sh(t, "mkdir -p "+other+" && cd .. && tar c --exclude=./build --exclude=./bin --exclude=./.git --exclude=./.demo . | tar x -m -C "+other)
	first, second := t.TempDir(), t.TempDir()
	debs(t, need.Checkout(t), "amd64", first, "umask 022; export TZ=UTC")
	debs(t, other, "amd64", second, "umask 077; export TZ=Asia/Kathmandu LC_ALL=C.UTF-8")
	names, err := filepath.Glob(first + "/*.deb")
	if err != nil || len(names) != 2 {
		t.Fatalf("%v, %q", err, names)
	}
	for _, name := range names {
		if sum(t, name) != sum(t, filepath.Join(second, filepath.Base(name))) {
			out, _ := exec.Command("sh", "-c", "cd "+first+" && for d in . "+second+"; do dpkg-deb --fsys-tarfile $d/"+filepath.Base(name)+" | tar tv --full-time; done | sort | uniq -u").CombinedOutput()
			t.Errorf("%s comes out in two ways; what differs in the lists of its files:\n%s", filepath.Base(name), out)
		}
	}
}

// The other architecture's programs are that one's, and all that the package says.
func TestPackageOfAnotherArchitecture(t *testing.T) {
	need.Tools(t, "make", "git", "dpkg-deb", "aarch64-linux-gnu-gcc")
	dir := t.TempDir()
	debs(t, need.Checkout(t), "arm64", dir, "umask 022")
	for name, programs := range map[string][]string{
		"forkgate":        {"usr/bin/forkgate", "usr/lib/forkgate/forkgate-init", "usr/lib/forkgate/forkgate-pod", "usr/lib/forkgate/forkgate-scrub"},
		"forkgate-attest": {"usr/bin/forkgate-attest"},
	} {
		deb := filepath.Join(dir, name+"_1.2.0+3.gabcdef_arm64.deb")
		if got := strings.TrimSpace(sh(t, "dpkg-deb --field "+deb+" Package Version Architecture")); got != "Package: "+name+"\nVersion: 1.2.0+3.gabcdef\nArchitecture: arm64" {
			t.Errorf("%s is\n%s", deb, got)
		}
		tree := t.TempDir()
		sh(t, "dpkg-deb --extract "+deb+" "+tree)
		for _, program := range programs {
			file, err := elf.Open(filepath.Join(tree, program))
			if err != nil {
				t.Errorf("%s: %v", program, err)
				continue
			}
			if file.Machine != elf.EM_AARCH64 {
				t.Errorf("%s is of %s", program, file.Machine)
			}
			file.Close()
		}
	}
}

func debs(t *testing.T, checkout, arch, dir, before string) {
	t.Helper()
	sh(t, before+"; cd "+checkout+" && VERSION=v1.2.0-3-gabcdef SOURCE_DATE_EPOCH=1767225600 packaging/package "+arch+" "+dir+" >/dev/null")
}

func sum(t *testing.T, name string) [sha256.Size]byte {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return sha256.Sum256(text)
}
