package fork

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"forkgate/nsjail/idmap"

	"golang.org/x/sys/unix"
)

// hostile tries to write outside of where it is unpacked.
func hostile(victim string) []tar.Header {
	dir, name := filepath.Split(victim)
	return []tar.Header{
		{Name: "up/" + strings.Repeat("../", 40) + victim[1:], Typeflag: tar.TypeReg, Mode: 0o666, Linkname: "planted"},
		{Name: victim, Typeflag: tar.TypeReg, Mode: 0o666, Linkname: "planted"},
		{Name: "link", Typeflag: tar.TypeSymlink, Linkname: dir},
		{Name: "link/" + name, Typeflag: tar.TypeReg, Mode: 0o666, Linkname: "planted"},
		{Name: "file", Typeflag: tar.TypeSymlink, Linkname: victim},
		{Name: "file", Typeflag: tar.TypeReg, Mode: 0o666, Linkname: "planted"},
		{Name: "hard", Typeflag: tar.TypeLink, Linkname: victim},
		{Name: "hard", Typeflag: tar.TypeReg, Mode: 0o666, Linkname: "planted"},
	}
}

func TestHostileArchiveStaysInside(t *testing.T) {
	for _, keep := range []bool{false, true} {
		s := newStore(t, Options{})
		victim := filepath.Join(t.TempDir(), "victim")
		write(t, victim, "safe")
		for i := range hostile(victim) {
			// One by one and all together: an error must not hide what the next entry would do.
			for _, entries := range [][]tar.Header{hostile(victim)[:i+1], hostile(victim)[i:]} {
				repo, err := s.CreateRepo(context.Background(), "demo", Source{Tar: makeTar(t, entries...), KeepOwners: keep}, nil)
				wantContent(t, victim, "safe")
				if info, err := os.Stat(victim); err != nil || info.Sys().(*syscall.Stat_t).Nlink != 1 {
					t.Errorf("the victim has got another name: %v", err)
				}
				if err == nil {
					if err := s.RemoveRepo(context.Background(), repo.Repo, repo.Repo); err != nil {
						t.Fatal(err)
					}
				}
				wantEmpty(t, s.pool, "repos")
			}
		}
	}
}

// With -P, tar itself holds nothing back: the first run, unconfined, is the control.
func TestHostileArchiveWithATarThatTrustsIt(t *testing.T) {
	s := newStore(t, Options{})
	victim := filepath.Join(t.TempDir(), "victim")
	write(t, victim, "safe")
	archive := makeTar(t, hostile(victim)[1])

	if out, err := exec.Command("tar", "-x", "-P", "-C", t.TempDir(), "-f", archive.Name()).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	wantContent(t, victim, "planted")

	write(t, victim, "safe")
	dest := filepath.Join(s.pool, "dest")
	if err := errors.Join(os.Mkdir(dest, 0o700), own(dest, poolRoot, 0o755)); err != nil {
		t.Fatal(err)
	}
	for _, as := range []identity{{0, []string{"-P"}}, {0, []string{"-P", "--unlink-first"}}, {0, []string{"-P", "--overwrite"}}} {
		if err := s.unpack(context.Background(), archive, dest, as); err == nil {
			t.Error("the archive was unpacked")
		}
		wantContent(t, victim, "safe")
		rewind(t, archive)
	}
}

// What holds tar back even if it could be talked into anything: its mounts are read-only, and it has no way to change that.
// Without the confinement, the control, the same program writes.
func TestUnpackingProgramWritesNowhereElse(t *testing.T) {
	s := newStore(t, Options{})
	dest, outside := filepath.Join(s.pool, "dest"), t.TempDir()
	if err := errors.Join(os.Mkdir(dest, 0o700), own(dest, poolRoot, 0o755), os.Chmod(outside, 0o777)); err != nil {
		t.Fatal(err)
	}
	attack := "echo inside >inside && ! mknod dev b 7 0 && ! mount -o remount,rw / && ! mount -o remount,rw " + filepath.Dir(outside) +
		" && ! touch " + outside + "/planted"
	fake := t.TempDir() + "/tar"
	write(t, fake, "#!/bin/sh\nset -e\n"+attack+"\n")
	if err := os.Chmod(fake, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", filepath.Dir(fake)+":"+os.Getenv("PATH"))
	if err := s.unpack(context.Background(), bytes.NewReader(nil), dest, asRoot); err != nil {
		t.Errorf("the program got out: %v", err)
	}
	wantContent(t, dest+"/inside", "inside\n")
	wantOwner(t, dest+"/inside", idmap.Foreign)
	wantEmpty(t, outside, "")

	control := exec.Command("/bin/sh", "-c", "touch "+outside+"/planted")
	if err := control.Run(); err != nil {
		t.Errorf("unconfined it cannot write either, so this test shows nothing: %v", err)
	}
}

func TestHostileArchiveIsRefused(t *testing.T) {
	s := newStore(t, Options{})
	device := tar.Header{Name: "sda", Typeflag: tar.TypeBlock, Mode: 0o666, Devmajor: 7, Devminor: 0}
	for _, keep := range []bool{false, true} {
		_, err := s.CreateRepo(context.Background(), "demo", Source{Tar: makeTar(t, device), KeepOwners: keep}, nil)
		if !errors.Is(err, ErrSource) {
			t.Errorf("a device node: %v, want %v", err, ErrSource)
		}
	}
	huge := tar.Header{Name: "file", Typeflag: tar.TypeReg, Mode: 0o600, Uid: 70000, Gid: 70000}
	if _, err := s.CreateRepo(context.Background(), "demo", Source{Tar: makeTar(t, huge), KeepOwners: true}, nil); !errors.Is(err, ErrSource) {
		t.Errorf("an id that the foreign range has not: %v, want %v", err, ErrSource)
	}
	wantEmpty(t, s.pool, "repos")
}

// A setuid file with capabilities may be stored, but it is worth nothing: it belongs to nobody on the host, and without them.
func TestImportedPrivilegesAreWorthNothing(t *testing.T) {
	s := newStore(t, Options{})
	capability := string([]byte{1, 0, 0, 2, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0})
	shell := tar.Header{Name: "sh", Typeflag: tar.TypeReg, Mode: 0o6755, Linkname: "#!/bin/sh\n",
		PAXRecords: map[string]string{"SCHILY.xattr.security.capability": capability}}
	for _, keep := range []bool{false, true} {
		repo := createRepo(t, s, map[bool]string{false: "demo", true: "kept"}[keep], Source{Tar: makeTar(t, shell), KeepOwners: keep})
		file := s.Dirs(repo).Data + "/sh"
		wantOwner(t, file, idmap.Foreign+map[bool]int{false: 7111, true: 0}[keep])
		if n, err := unix.Getxattr(file, "security.capability", nil); err == nil {
			t.Errorf("%d bytes of capabilities were imported", n)
		}
		if err := exec.Command(file).Run(); !errors.Is(err, syscall.EACCES) {
			t.Errorf("the host runs a file of the pool: %v", err)
		}
	}
}
