package host_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"
	"golang.org/x/sync/errgroup"

	"forkgate/fork/backup"
	"forkgate/tests/host"
	"forkgate/tests/need"
)

const s3Key, s3Secret = "forkgate", "a-secret-of-this-test"

// A bucket is a place as a directory is: what is put there is there, whole, under its name and no other; what is not there is told from what fails.
func TestBucketIsAPlace(t *testing.T) {
	t.Parallel()
	need.Root(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	at := l.Addr().String()
	must(t, l.Close())
	store := t.TempDir()
	must(t, os.Mkdir(filepath.Join(store, "box"), 0o700))
	server := exec.CommandContext(t.Context(), need.S3(t), "--quiet", "--port", at, "posix", store)
	server.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+s3Key, "ROOT_SECRET_KEY="+s3Secret)
	must(t, server.Start())
	t.Cleanup(func() { _ = server.Wait() })
	need.Eventually(t, "the server listens", func() bool {
		c, err := net.Dial("tcp", at)
		return err == nil && c.Close() == nil
	})
	env := map[string]string{"AWS_ACCESS_KEY_ID": s3Key, "AWS_SECRET_ACCESS_KEY": s3Secret, "AWS_ENDPOINT_URL": "http://" + at}
	open := func(name string) (*backup.Bucket, error) {
		return backup.OpenBucket(t.Context(), name, func(v string) string { return env[v] })
	}
	for _, prefix := range []string{"", "/hosts/a"} {
		b, err := open("s3://box" + prefix)
		must(t, err)
		if want := "s3://box" + prefix + " at http://" + at; b.String() != want {
			t.Errorf("it is called %s", b)
		}
		isPlace(t, b)
	}
	manyFiles(t, open)
	for name, want := range map[string]string{
		"s3://": "is no bucket", "s3://box/../x": "is no bucket", "s3://Box": "is no bucket", "s3://none": "there is no such bucket",
	} {
		if _, err := open(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for variable, said := range map[string]struct{ value, want string }{
		"AWS_SECRET_ACCESS_KEY": {"another", "signature"}, "AWS_ACCESS_KEY_ID": {"", "nothing says by which key"},
		"AWS_ENDPOINT_URL": {"https://" + s3Key + ":" + s3Secret + "@x", "is no endpoint"}, "AWS_ENDPOINT_URL_S3": {"http://192.0.2.1", "without TLS"},
	} {
		before := env[variable]
		env[variable] = said.value
		if _, err := open("s3://box"); err == nil || !strings.Contains(err.Error(), said.want) || strings.Contains(err.Error(), s3Secret) {
			t.Errorf("%s=%s: %v", variable, said.value, err)
		}
		env[variable] = before
	}
}

// manyFiles has more in a bucket than a store lists at once.
func manyFiles(t *testing.T, open func(string) (*backup.Bucket, error)) {
	t.Helper()
	b, err := open("s3://box/many")
	must(t, err)
	const many = 1010
	var group errgroup.Group
	group.SetLimit(8)
	for n := range many {
		group.Go(func() error { return b.Put(t.Context(), fmt.Sprintf("shop/1/part-%06d", n), strings.NewReader("x")) })
	}
	must(t, group.Wait())
	if names, err := b.List(t.Context(), "shop/1"); err != nil || len(names) != many {
		t.Errorf("%d are there, %v", len(names), err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if names, err := b.List(ctx, "shop/1"); err == nil {
		t.Errorf("broken off there are %d", len(names))
	}
}

// isPlace tries what backup.Place says.
func isPlace(t *testing.T, p backup.Place) {
	t.Helper()
	ctx := t.Context()
	large := bytes.Repeat([]byte("0123456789abcdef"), 40<<16) // 40 MiB
	for name, text := range map[string][]byte{"shop/1/part-000001": large, "shop/1/manifest.json": []byte("old"), "other/2/part-000001": []byte("x"), "shopping/3/x": nil} {
		must(t, p.Put(ctx, name, bytes.NewReader(text)))
	}
	must(t, p.Put(ctx, "shop/1/manifest.json", io.MultiReader(strings.NewReader("n"), strings.NewReader("ew")))) // of unknown length
	for name, want := range map[string][]byte{"shop/1/part-000001": large, "shop/1/manifest.json": []byte("new")} {
		f, err := p.Get(ctx, name)
		must(t, err)
		if got, err := io.ReadAll(f); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s holds %d bytes, %v", name, len(got), err)
		}
		must(t, f.Close())
	}
	if _, err := p.Get(ctx, "shop/1/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of what is not there: %v", err)
	}
	for dir, want := range map[string][]string{
		".": {"other/2/part-000001", "shop/1/manifest.json", "shop/1/part-000001", "shopping/3/x"}, "shop": {"shop/1/manifest.json", "shop/1/part-000001"}, "nowhere": nil,
	} {
		got, err := p.List(ctx, dir)
		if slices.Sort(got); err != nil || !slices.Equal(got, want) {
			t.Errorf("in %s are %q, %v", dir, got, err)
		}
	}
	must(t, p.Remove(ctx, "shop/1/manifest.json", "shop/1/none"))
	must(t, p.Remove(ctx, "shop/1/part-000001", "other/2/part-000001", "shopping/3/x"))
	if left, err := p.List(ctx, "."); err != nil || len(left) > 0 {
		t.Errorf("left: %q, %v", left, err)
	}
}

// A repository is backed up to a store that speaks S3, again with what has changed, after an interruption, by the timer's unit, and restored; nobody reads
// production there, and what is changed there is found.
func TestBackupToABucket(t *testing.T) {
	t.Parallel()
	h := host.Start(t, host.Options{Agents: []string{"bot"}})
	s := bucketOn(t, h)
	source := filepath.Join(h.Dir, "source")
	must(t, os.Mkdir(source, 0o700))
	outer(t, "sh", "-ec", `head -c 400M /dev/urandom >"$0/big"; echo the orders of production >"$0/orders"`, source)
	h.Repo(t, "demo", source)

	// Killed in the middle, it goes on where it was.
	broken := s.command(t, "backup", "demo", s.place, "-r", s.to)
	must(t, broken.Start())
	need.Eventually(t, "a part is there, and the manifest so far says so", func() bool {
		return exec.Command("sh", "-c", `grep -q plain "$0"/box/host/demo/*/unfinished.json`, s.store).Run() == nil
	})
	must(t, broken.Process.Kill())
	_ = broken.Wait()
	// Who is being ended has no arguments any more, and still its files: ps has it in brackets.
	need.Eventually(t, "nothing of it lives, or holds its snapshot", func() bool {
		return h.Run(t.Context(), t, "sh", "-c", `ps -C forkgate -o args= | grep -E '^(forkgate backup demo|\[forkgate\])'`).Code == 1
	})
	if whole, err := filepath.Glob(filepath.Join(s.store, "box/host/demo/*/manifest.json")); err != nil || len(whole) > 0 {
		t.Fatalf("it was finished before: %q, %v", whole, err)
	}
	first := func() string { return outer(t, "sh", "-c", `stat -c %i-%Y "$0"/box/host/demo/*/part-000001`, s.store) }
	before := first()
	if said := s.run(t, 0, "backup", "demo", s.place, "-r", s.to); !strings.Contains(said, "of demo: whole, 40") {
		t.Errorf("it says %s", said)
	}
	if first() != before {
		t.Error("what was there is written again")
	}

	h.Must(t, "sh", "-c", "for d in /var/lib/forkgate/pool/repos/*/tree/data; do echo one more >>$d/orders; done")
	h.Must(t, "sh", "-ec", fmt.Sprintf("mkdir -p /etc/forkgate/backup; umask 77; printf '%%s\\n' 'DESTINATION=%s' 'OPTIONS=--recipient %s --keep 5' %s >/etc/forkgate/backup/demo.conf",
		s.place, s.to, "'"+strings.Join(s.env, "' '")+"'"))
	h.Must(t, "sh", "-ec", "mkdir -p /etc/systemd/system/forkgate-backup@.service.d; printf '[Service]\\nPrivateNetwork=no\\nRestrictAddressFamilies=AF_UNIX AF_INET AF_INET6\\n' "+
		">/etc/systemd/system/forkgate-backup@.service.d/network.conf; systemctl daemon-reload; systemctl start forkgate-backup@demo.service")
	if said := s.run(t, 0, "backups", s.place, "--verify"); strings.Count(said, "demo") != 2 || !strings.Contains(said, "whole") {
		t.Errorf("there are %s", said)
	}
	s.run(t, 0, "backup", "demo", s.place+"/plain", "--unencrypted")
	begins := func(glob, with string) {
		t.Helper()
		parts, err := filepath.Glob(filepath.Join(s.store, glob))
		if err != nil || len(parts) < 2 {
			t.Fatalf("there are %q, %v", parts, err)
		}
		for _, part := range parts {
			text, err := os.ReadFile(part)
			if err != nil || !bytes.HasPrefix(text, []byte(with)) {
				t.Errorf("%s begins with %.20q, %v", part, text, err)
			}
		}
	}
	begins("box/host/demo/*/part-*", "age-encryption.org/v1\n")
	begins("box/host/plain/demo/*/part-*", "\x28\xb5\x2f\xfd") // the control: what is compressed and no more (RFC 8878)
	s.run(t, 0, "restore", "demo", s.place, "--as", "back", "-i", s.identity)
	out, err := h.SSH(t.Context(), "back+x@bot", "cat orders; stat -c %s big").CombinedOutput()
	if err != nil || string(out) != "the orders of production\none more\n419430400\n" {
		t.Errorf("restored it holds %q, %v", out, err)
	}

	outer(t, "sh", "-ec", `f=$(ls -S "$0"/box/host/demo/*/part-* | tail -n 1); printf x | dd of="$f" bs=1 seek=300 conv=notrunc status=none`, s.store)
	if said := s.run(t, 1, "backups", s.place, "--verify"); !strings.Contains(said, "is not as it was written") {
		t.Errorf("spoilt: %s", said)
	}
	if said := s.run(t, 1, "restore", "demo", s.place, "--as", "spoilt", "-i", s.identity); !strings.Contains(said, "damaged backup: ") {
		t.Errorf("spoilt: %s", said)
	}
	h.Must(t, "systemctl", "stop", "s3.service")
	if said := s.run(t, 1, "backup", "demo", s.place, "-r", s.to); !strings.Contains(said, "connection refused") {
		t.Errorf("without a server: %s", said)
	}
}

// bucket is a store on a host, and who reads what is in it.
type bucket struct {
	h                          *host.Host
	store, place, to, identity string
	env                        []string
}

func bucketOn(t *testing.T, h *host.Host) *bucket {
	t.Helper()
	key, err := age.GenerateX25519Identity()
	must(t, err)
	b := &bucket{h: h, store: filepath.Join(h.Dir, "store"), place: "s3://box/host", to: key.Recipient().String(), identity: filepath.Join(h.Dir, "key.txt")}
	b.env = []string{"AWS_ACCESS_KEY_ID=" + s3Key, "AWS_SECRET_ACCESS_KEY=" + s3Secret, "AWS_ENDPOINT_URL=http://127.0.0.1:7171"}
	must(t, os.MkdirAll(filepath.Join(b.store, "box"), 0o700))
	must(t, os.WriteFile(b.identity, []byte(key.String()+"\n"), 0o600))
	outer(t, "cp", need.S3(t), filepath.Join(h.Dir, "versitygw"))
	h.Must(t, "systemd-run", "--unit", "s3", "--setenv=ROOT_ACCESS_KEY="+s3Key, "--setenv=ROOT_SECRET_KEY="+s3Secret,
		filepath.Join(h.Dir, "versitygw"), "--quiet", "--port", "127.0.0.1:7171", "posix", b.store)
	need.Eventually(t, "the store answers", func() bool { return b.command(t, "backups", b.place).Run() == nil })
	return b
}

// command is forkgate's, with what it takes to reach the store.
func (b *bucket) command(t *testing.T, args ...string) *exec.Cmd {
	return b.h.Command(t.Context(), slices.Concat([]string{"env"}, b.env, []string{"forkgate"}, args)...)
}

// run runs one, which has to end with a code, and returns all that it says.
func (b *bucket) run(t *testing.T, code int, args ...string) string {
	t.Helper()
	c := b.command(t, args...)
	out, _ := c.CombinedOutput()
	if c.ProcessState.ExitCode() != code {
		t.Fatalf("forkgate %q: exit code %d: %s", args, c.ProcessState.ExitCode(), out)
	}
	return string(out)
}

func outer(t *testing.T, argv ...string) string {
	t.Helper()
	out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%q: %v: %s", argv, err, out)
	}
	return string(out)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
