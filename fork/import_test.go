package fork

import (
	"archive/tar"
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
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
	if done < 1024 || total != done {
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
