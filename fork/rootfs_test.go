package fork

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"forkgate/nsjail/idmap"
	"forkgate/tests/need"
)

func TestImportRootfs(t *testing.T) {
	s := newStore(t, Options{})
	passwd := "root:x:0:0:root:/root:/bin/bash\nrediacc:x:1000:1000::/:/bin/false\nother:x:7111:7111::/:/bin/sh\n"
	group := "root:x:0:\ndocker:x:115:evil\nusers:x:988:\n"
	archive := makeTar(t,
		tar.Header{Name: "./", Typeflag: tar.TypeDir, Mode: 0o755},
		tar.Header{Name: "./etc/", Typeflag: tar.TypeDir, Mode: 0o755},
		tar.Header{Name: "./etc/passwd", Typeflag: tar.TypeReg, Mode: 0o644, Linkname: passwd},
		tar.Header{Name: "./etc/group", Typeflag: tar.TypeReg, Mode: 0o644, Linkname: group},
		tar.Header{Name: "./etc/resolv.conf", Typeflag: tar.TypeSymlink, Linkname: "../run/systemd/resolve/stub-resolv.conf"},
		tar.Header{Name: "./etc/hosts", Typeflag: tar.TypeReg, Mode: 0o644, Linkname: "127.0.0.1 localhost\n"},
		tar.Header{Name: "./dev/", Typeflag: tar.TypeDir, Mode: 0o755},
		tar.Header{Name: "./dev/null", Typeflag: tar.TypeChar, Mode: 0o666, Devmajor: 1, Devminor: 3},
		tar.Header{Name: "./usr/", Typeflag: tar.TypeDir, Mode: 0o755},
		tar.Header{Name: "./usr/dev/", Typeflag: tar.TypeDir, Mode: 0o755},
		tar.Header{Name: "./usr/dev/file", Typeflag: tar.TypeReg, Mode: 0o644, Linkname: "kept"},
		tar.Header{Name: "./srv/", Typeflag: tar.TypeDir, Mode: 0o755, Uid: 33, Gid: 33},
	)
	digest, err := s.ImportRootfs(context.Background(), archive, nil)
	if err != nil {
		t.Fatal(err)
	}
	rewind(t, archive)
	hash := sha256.New()
	if _, err := io.Copy(hash, archive); err != nil || digest != fmt.Sprintf("%x", hash.Sum(nil)) {
		t.Errorf("digest %s is not that of the file, %v", digest, err)
	}
	root := s.rootfsDir(digest)
	wantContent(t, root+"/etc/passwd", "root:x:0:0:root:/root:/bin/bash\nrediacc:x:7111:7111::/home/rediacc:/bin/bash\n")
	wantContent(t, root+"/etc/group", "root:x:0:\nrediacc:x:7111:\ndocker:x:988:rediacc\n")
	wantContent(t, root+"/etc/resolv.conf", "")
	wantContent(t, root+"/etc/hosts", "127.0.0.1 localhost\n")
	wantContent(t, root+"/usr/dev/file", "kept")
	wantEmpty(t, root, "dev", "proc", "var/lib/docker")
	wantOwner(t, root+"/etc/passwd", idmap.Foreign)
	wantOwner(t, root+"/srv", idmap.Foreign+33)
	if info, err := os.Lstat(root + "/etc/resolv.conf"); err != nil || !info.Mode().IsRegular() {
		t.Errorf("resolv.conf: %v, %v: nothing can be mounted over a symlink", info, err)
	}
	if err := os.WriteFile(root+"/planted", nil, 0o600); err == nil {
		t.Error("the rootfs can be written")
	}

	rewind(t, archive)
	if again, err := s.ImportRootfs(context.Background(), archive, nil); err != nil || again != digest {
		t.Errorf("again: %s, %v", again, err)
	}
	wantEmpty(t, s.pool, "spare")
}

// fitOut writes as root where the archive made the names.
func TestHostileRootfs(t *testing.T) {
	s := newStore(t, Options{})
	victim := t.TempDir()
	for _, names := range [][]string{{"passwd", "group", "hosts"}, {"docker/x"}, {"tmp/x"}} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(victim, names[0])), 0o755); err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			write(t, filepath.Join(victim, name), "safe")
		}
	}
	before := listing(t, victim)
	link := func(name, to string) tar.Header {
		return tar.Header{Name: name, Typeflag: tar.TypeSymlink, Linkname: to}
	}
	dir := func(name string) tar.Header { return tar.Header{Name: name, Typeflag: tar.TypeDir, Mode: 0o755} }
	for name, entries := range map[string][]tar.Header{
		"etc is a link":        {link("etc", victim)},
		"var is a link":        {link("var", victim)},
		"tmp is a link":        {link("tmp", victim)},
		"passwd is a link":     {dir("etc"), link("etc/passwd", victim+"/passwd")},
		"group is a link":      {dir("etc"), link("etc/group", victim+"/group")},
		"hosts is a link":      {dir("etc"), link("etc/hosts", victim+"/hosts")},
		"the new file exists":  {dir("etc"), link("etc/.forkgate-new", victim+"/passwd")},
		"passwd is a pipe":     {dir("etc"), {Name: "etc/passwd", Typeflag: tar.TypeFifo, Mode: 0o644}},
		"passwd is huge":       {dir("etc"), {Name: "etc/passwd", Typeflag: tar.TypeReg, Mode: 0o644, Linkname: strings.Repeat("x", 2<<20)}},
		"a link up and around": {link("etc", strings.Repeat("../", 40)+victim[1:])},
	} {
		_, err := s.ImportRootfs(context.Background(), makeTar(t, entries...), nil)
		t.Logf("%s: %v", name, err)
		if after := listing(t, victim); after != before {
			t.Errorf("%s: outside is now\n%s\nand was\n%s", name, after, before)
		}
		if strings.Contains(name, "pipe") && !errors.Is(err, ErrSource) {
			t.Errorf("%s: %v, want %v", name, err, ErrSource)
		}
		wantEmpty(t, s.pool, "spare")
	}
}

// listing is everything below dir, with contents.
func listing(t *testing.T, dir string) string {
	t.Helper()
	var all bytes.Buffer
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			content, _ := os.ReadFile(path)
			fmt.Fprintln(&all, path, string(content))
			return nil
		}
		fmt.Fprintln(&all, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

func TestHostMirror(t *testing.T) {
	for content, want := range map[string]string{
		"": defaultMirror,
		"deb http://ftp.de.debian.org/debian bookworm main\n":                                             "http://ftp.de.debian.org/debian",
		"deb [signed-by=/x arch=amd64] https://mirror.example/debian/ stable main\n":                      "https://mirror.example/debian",
		"Types: deb\nURIs: http://deb.debian.org/debian-security\nSuites: x\n":                            defaultMirror,
		"# deb http://no.example/debian x main\nTypes: deb\nURIs: http://10.0.0.1:3142/debian\nSuites: x": "http://10.0.0.1:3142/debian",
		"deb http://archive.ubuntu.com/ubuntu noble main\n":                                               defaultMirror,
	} {
		apt := t.TempDir()
		if err := os.Mkdir(apt+"/sources.list.d", 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, apt+"/sources.list.d/x.sources", content)
		if got := hostMirror(apt); got != want {
			t.Errorf("%q: %s, want %s", content, got, want)
		}
	}
}

func TestInitPool(t *testing.T) {
	need.Root(t)
	need.Tools(t, "mkfs.btrfs", "mount", "umount")
	pool, dir := t.TempDir(), t.TempDir()
	ctx := context.Background()
	what, options, err := InitPool(ctx, PoolOptions{File: dir + "/image", Size: 512 << 20})
	if err != nil {
		t.Fatal(err)
	}
	if err := MountPool(ctx, what, pool, options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := run(ctx, "umount", pool); err != nil {
			t.Error(err)
		}
	})
	s := newStore(t, Options{Pool: pool})
	makeFork(t, s, createRepo(t, s, "demo", Source{}), "one")

	for name, o := range map[string]PoolOptions{
		"a file that exists":         {File: dir + "/image", Size: 512 << 20},
		"too small":                  {File: dir + "/small", Size: 1 << 20},
		"larger than a file can be":  {File: dir + "/large", Size: 1 << 62},
		"nothing":                    {},
		"a device and a file":        {File: dir + "/x", Device: "/dev/x"},
		"a device with a filesystem": {Device: dir + "/image"},
		"one that is not there":      {File: dir + "/none", Existing: true},
		"one that is none":           {File: "/bin/sh", Existing: true},
	} {
		if _, _, err := InitPool(ctx, o); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want one line", name, err)
		}
	}
	if again, how, err := InitPool(ctx, PoolOptions{File: dir + "/image", Existing: true}); again != what || how != options || err != nil {
		t.Errorf("the one that is there: %q, %q, %v", again, how, err)
	}
	if files, _ := filepath.Glob(dir + "/*"); len(files) != 1 {
		t.Errorf("left: %v", files)
	}
}
