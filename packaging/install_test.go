package packaging_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"forkgate/tests/need"
)

// A second install keeps the operator's policy; uninstall leaves that alone and everything else as it was.
func TestInstall(t *testing.T) {
	need.Tools(t, "make", "install")
	source, dest := t.TempDir(), t.TempDir()
	sh(t, "cp -r ../Makefile ../README.md ../packaging ../policy.d "+source+" && mkdir "+source+"/bin && "+
		"for program in forkgate forkgate-init forkgate-pod forkgate-scrub forkgate-attest; do cp /bin/true "+source+"/bin/$program; done;"+
		"cd "+source+"/bin && mkdir -p docs/man1 docs/man5 docs/completions && touch docs/man1/forkgate.1 docs/man1/forkgate-show.1 docs/man5/forkgate-policy.5 docs/completions/forkgate docs/completions/_forkgate docs/completions/forkgate.fish && "+
		"mkdir -p docs/attest/man1 docs/attest/completions && touch docs/attest/man1/forkgate-attest-whoami.1 docs/attest/completions/forkgate-attest docs/attest/completions/_forkgate-attest docs/attest/completions/forkgate-attest.fish")
	make := func(target string) {
		t.Helper()
		c := exec.Command("make", "-C", source, target, "DESTDIR="+dest, "PREFIX=/opt/fg")
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("make %s: %v\n%s", target, err, out)
		}
	}
	make("install")
	for _, want := range []string{"opt/fg/bin/forkgate", "opt/fg/lib/forkgate/forkgate-init", "opt/fg/lib/forkgate/forkgate-pod", "opt/fg/lib/forkgate/forkgate-scrub", "opt/fg/lib/systemd/system/forkgate-pod@.service",
		"opt/fg/lib/sysusers.d/forkgate.conf", "opt/fg/lib/tmpfiles.d/forkgate.conf", "opt/fg/lib/sysctl.d/50-forkgate.conf", "etc/forkgate/policy.d/baseline.hcl",
		"opt/fg/share/doc/forkgate/sshd_config.d/forkgate.conf", "opt/fg/share/man/man1/forkgate.1", "opt/fg/share/man/man5/forkgate-policy.5",
		"opt/fg/share/bash-completion/completions/forkgate", "opt/fg/share/zsh/vendor-completions/_forkgate", "opt/fg/share/fish/vendor_completions.d/forkgate.fish", "etc/apparmor.d/forkgate-gate",
		"opt/fg/share/doc/forkgate/packaging/docs/tutorial.md", "opt/fg/share/doc/forkgate/packaging/docs/pictures/processes.svg"} {
		if !slices.Contains(installed(t, dest), want) {
			t.Errorf("%s is not installed: %q", want, installed(t, dest))
		}
	}
	unit := sh(t, "cat "+dest+"/opt/fg/lib/systemd/system/*")
	if strings.Contains(unit, "/usr/bin/forkgate") || strings.Contains(unit, "/usr/lib/forkgate") || !strings.Contains(unit, "ExecStart=/opt/fg/bin/forkgate warden\n") {
		t.Errorf("the units do not start what is installed:\n%s", unit)
	}

	policy := filepath.Join(dest, "etc/forkgate/policy.d/baseline.hcl")
	if err := os.WriteFile(policy, []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	make("install")
	if got, err := os.ReadFile(policy); string(got) != "mine" {
		t.Errorf("the operator's policy is now %q, %v", got, err)
	}

	// A host can be a workstation as well: what is of the attestor stays until that goes.
	make("install-attest")
	if page := "opt/fg/share/doc/forkgate-attest/packaging/docs/workstations.md"; !slices.Contains(installed(t, dest), page) {
		t.Errorf("%s is not installed", page)
	}
	make("uninstall")
	if page := "opt/fg/share/man/man1/forkgate-attest-whoami.1"; !slices.Contains(installed(t, dest), page) {
		t.Errorf("uninstall took %s", page)
	}
	make("uninstall-attest")
	for _, left := range installed(t, dest) {
		if !strings.HasPrefix(left, "etc/forkgate") {
			t.Errorf("uninstall left %s", left)
		}
	}
	if got, err := os.ReadFile(policy); string(got) != "mine" {
		t.Errorf("after uninstall the operator's policy is %q, %v", got, err)
	}
}

func installed(t *testing.T, dest string) (files []string) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(dest), ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
