package packaging_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"forkgate/tests/need"
)

// A release is a commit, a tag and packages whose sums are beside them, or nothing.
func TestRelease(t *testing.T) {
	need.Tools(t, "make", "git", "dpkg-deb", "x86_64-linux-gnu-gcc", "sha256sum")
	r := &release{t, filepath.Join(t.TempDir(), "clone")}
	sh(t, "mkdir "+r.dir+" && cd "+need.Checkout(t)+" && git ls-files -z --cached --others --exclude-standard | tar c --null --ignore-failed-read -T - | tar x -C "+r.dir)
	r.git("init -q && git config user.name x && git config user.email x@example.invalid")
	r.write("CHANGELOG.md", "# Changelog\n\n## Unreleased\n\n- It works.\n")
	r.git("add -A && git commit -qm one")
	one := r.git("rev-parse HEAD")

	r.refused("VERSION=1.2.3", "v1.2.3, and not 1.2.3")
	r.refused("", "VERSION is to be as v1.2.3")
	r.refused("VERSION=v1.2.3 ARCHS=vax", "amd64 or arm64, not vax") // in the middle of it
	r.write("left", "x")
	r.refused("VERSION=v1.2.3", "something is not committed")
	r.git("clean -qf")
	if now := r.git("rev-parse HEAD; git tag; git status --porcelain"); now != one {
		t.Fatalf("what was refused has left\n%s", now)
	}

	if out, err := r.make("VERSION=v1.2.3 ARCHS=amd64"); err != nil || !strings.Contains(out, "v1.2.3 is tagged") {
		t.Fatalf("make release: %v\n%s", err, out)
	}
	sh(t, "cd "+r.dir+"/build/packages && sha256sum --check --strict SHA256SUMS && [ $(wc -l <SHA256SUMS) = 2 ]")
	if version := sh(t, "dpkg-deb --field "+r.dir+"/build/packages/forkgate_1.2.3_amd64.deb Version"); version != "1.2.3\n" {
		t.Errorf("the package is of version %q", version)
	}
	if got := r.git("describe --exact-match; git status --porcelain; git rev-parse HEAD^"); got != "v1.2.3\n"+one {
		t.Errorf("the release is\n%s", got)
	}
	text, err := os.ReadFile(filepath.Join(r.dir, "CHANGELOG.md"))
	if err != nil || !strings.Contains(string(text), "## Unreleased\n\n## 1.2.3, 20") || !strings.HasSuffix(string(text), "\n\n- It works.\n") {
		t.Errorf("the changelog is\n%s", text)
	}

	r.refused("VERSION=v1.2.3", "v1.2.3 is there already")
	r.refused("VERSION=v1.2.2", "v1.2.3 is newer than v1.2.2")
	r.refused("VERSION=v1.2.4", `nothing under "## Unreleased"`)
}

type release struct {
	t   *testing.T
	dir string
}

func (r *release) write(name, text string) {
	r.t.Helper()
	if err := os.WriteFile(filepath.Join(r.dir, name), []byte(text), 0o644); err != nil {
		r.t.Fatal(err)
	}
}

func (r *release) git(args string) string {
	r.t.Helper()
	return strings.TrimSpace(sh(r.t, "cd "+r.dir+" && git "+args))
}

func (r *release) make(args string) (string, error) {
	out, err := exec.Command("bash", "-c", "make --silent -C "+r.dir+" release "+args).CombinedOutput()
	return string(out), err
}

func (r *release) refused(args, why string) {
	r.t.Helper()
	if out, err := r.make(args); err == nil || !strings.Contains(out, why) {
		r.t.Errorf("make release %s: %v, and not %q:\n%s", args, err, why, out)
	}
}
