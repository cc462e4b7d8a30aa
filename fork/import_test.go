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
	"time"

	"forkgate/nsjail/idmap"
	"forkgate/tests/need"

	"golang.org/x/sys/unix"
)

func TestCreateRepoFromDirectory(t *testing.T) {
	s := newStore(t, Options{})
	dir := t.TempDir()
	if err := os.MkdirAll(dir+"/sub/dir", 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, dir+"/sub/file", "production")
	for _, err := range []error{
		os.Chmod(dir+"/sub/file", 0o640),
		os.Lchown(dir+"/sub/file", 33, 33),
		os.Symlink("/etc/passwd", dir+"/link"),
		unix.Setxattr(dir+"/sub/file", "user.note", []byte("kept"), 0),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}

	var done, total int64
	demo, err := s.CreateRepo(context.Background(), "demo", Source{Dir: dir}, func(d, all int64) { done, total = d, all })
	if err != nil {
		t.Fatal(err)
	}
	data := s.Dirs(demo).Data
	wantContent(t, data+"/sub/file", "production")
	for _, name := range []string{"", "/sub/dir", "/sub/file", "/link"} {
		wantOwner(t, data+name, idmap.Foreign+7111)
	}
	if info, err := os.Stat(data + "/sub/file"); err != nil || info.Mode() != 0o640 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	note := make([]byte, 9)
	if n, err := unix.Getxattr(data+"/sub/file", "user.note", note); err != nil || string(note[:n]) != "kept" {
		t.Errorf("xattr %q, %v", note, err)
	}
	if done < 1024 || total != -1 {
		t.Errorf("progress ended at %d of %d", done, total)
	}

	kept := createRepo(t, s, "kept", Source{Dir: dir, KeepOwners: true})
	wantOwner(t, s.Dirs(kept).Data+"/sub/file", idmap.Foreign+33)
	wantOwner(t, s.Dirs(kept).Data+"/sub/dir", idmap.Foreign)
}

func TestCreateRepoFromCompressedArchives(t *testing.T) {
	need.Tools(t, "gzip", "xz", "zstd")
	s := newStore(t, Options{})
	plain := makeTar(t, tar.Header{Name: "file", Typeflag: tar.TypeReg, Mode: 0o600, Linkname: "production"})
	for _, program := range []string{"", "gzip", "xz", "zstd"} {
		archive := plain
		if program != "" {
			out, err := exec.Command(program, "-c", plain.Name()).Output()
			if err != nil {
				t.Fatal(err)
			}
			write(t, plain.Name()+"."+program, string(out))
			if archive, err = os.Open(plain.Name() + "." + program); err != nil {
				t.Fatal(err)
			}
			defer archive.Close()
		}
		repo := createRepo(t, s, "demo"+program, Source{Tar: archive})
		wantContent(t, s.Dirs(repo).Data+"/file", "production")
	}
	for _, broken := range []string{"\x1f\x8bbroken", "\xfd7zXZ\x00broken", "\x28\xb5\x2f\xfdbroken", strings.Repeat("no archive", 100)} {
		write(t, plain.Name()+".broken", broken)
		archive, err := os.Open(plain.Name() + ".broken")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.CreateRepo(context.Background(), "broken", Source{Tar: archive}, nil); !errors.Is(err, ErrSource) {
			t.Errorf("%.8q: %v, want %v", broken, err, ErrSource)
		} else if strings.Contains(err.Error(), "\n") {
			t.Errorf("more than one line: %q", err)
		}
		archive.Close()
	}
}

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
					if err := s.RemoveRepo(context.Background(), repo.Repo); err != nil {
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

func TestCancelledImportLeavesNothing(t *testing.T) {
	s := newStore(t, Options{})
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	defer r.Close()
	why := errors.New("the operator changed his mind")
	ctx, cancel := context.WithCancelCause(context.Background())
	time.AfterFunc(200*time.Millisecond, func() { cancel(why) })
	start := time.Now()
	_, err = s.CreateRepo(ctx, "demo", Source{Tar: r}, nil) // waits for a writer that never writes
	if !errors.Is(err, why) || time.Since(start) > 5*time.Second {
		t.Errorf("%v after %v", err, time.Since(start))
	}
	wantEmpty(t, s.pool, "repos", "spare")
	createRepo(t, s, "demo", Source{})
}
