package setup

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/pem"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2/hclparse"
	"golang.org/x/crypto/ssh"
)

const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFF2S12Cjd1iap2fLqOFOBzkEMQnZgKFP2U9UT7Rmkfm"

// proposed answers with what is proposed, but for what it knows better, and keeps what it was asked.
type proposed struct {
	asked   []string
	answers map[string]string // by a word of the question
	vouched bool
}

func (p *proposed) Ask(_ context.Context, question, proposal string) (string, error) {
	p.asked = append(p.asked, question)
	for word, answer := range p.answers {
		if strings.Contains(question, word) {
			return answer, nil
		}
	}
	return proposal, nil
}

func (p *proposed) Confirm(_ context.Context, question string, proposal bool) (bool, error) {
	p.asked = append(p.asked, question)
	return p.vouched && strings.Contains(question, "AI agent") || proposal, nil
}

func (p *proposed) Wrong(why error) error { return why }

// fake is a host on which commands do nothing but fail where they are told to, and what is there is what was run.
type fake struct {
	*Host
	out  bytes.Buffer
	ran  []string
	fail string
	says map[string]string

	taken, kept bool
	at          time.Time
	logins      int // that the record has, one after the other

	confirmed, shut bool
	cancel          context.CancelFunc // by who is to confirm

	principals []string

	known bool // to Docker
	fault error
}

func (f *fake) Known(context.Context, string) (bool, error) { return f.known, f.fault }

// Device takes disks alone, and Size takes gigabytes.
func (f *fake) Device(_ context.Context, path string) error {
	if !strings.HasPrefix(path, "/dev/sd") {
		return errors.New("no block device")
	}
	return nil
}

func (f *fake) Size(size string) error {
	if !strings.HasSuffix(size, "G") {
		return errors.New("no size")
	}
	return nil
}

func (f *fake) Kept() bool { return f.shut }

func (f *fake) Settled(ctx context.Context) (bool, error) {
	if f.cancel != nil {
		f.cancel()
		return false, ctx.Err()
	}
	f.shut = f.confirmed
	return f.confirmed, nil
}

func (f *fake) Taken() bool { return f.kept }

func (f *fake) Take(_ context.Context, port uint16, sshd netip.AddrPort, _ time.Duration) error {
	f.ran = append(f.ran, fmt.Sprintf("port %d, sshd %s", port, sshd))
	f.taken, f.at = true, time.Now()
	return nil
}

func (f *fake) Keep(context.Context) error { f.kept = true; return nil }

func (f *fake) login(_ context.Context, who string, after time.Time) error {
	if !f.kept && (f.taken == after.IsZero() || after.Before(f.at)) {
		return errors.New("what counts is who came after the port was taken, and not before")
	}
	if f.logins == 0 || who != "admin" {
		return errNobodyCame
	}
	f.logins--
	return nil
}

func newFake(t *testing.T) *fake {
	t.Helper()
	t.Setenv("SUDO_USER", "")
	f := &fake{says: map[string]string{}}
	root := t.TempDir()
	for _, dir := range []string{policyDir, "/root/.ssh"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(root, "root/.ssh/authorized_keys"), "# mine\n"+key+" me@laptop\n")
	f.Host = &Host{
		Root: root, Self: "forkgate", Out: &f.out,
		Run: func(_ context.Context, argv ...string) error {
			line := strings.Join(argv, " ")
			f.ran = append(f.ran, line)
			if f.fail != "" && strings.Contains(line, f.fail) {
				return errors.New("exit status 1")
			}
			return nil
		},
		Output: func(_ context.Context, argv ...string) (string, error) { return f.says[strings.Join(argv, " ")], nil },
		Pools:  f, Ports: f, Doors: f, Projects: f, Login: f.login, Principals: func() ([]string, error) { return f.principals, nil },
	}
	return f
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAll(t *testing.T) {
	f := newFake(t)
	from := t.TempDir()
	if err := Run(t.Context(), f.Host, &proposed{answers: map[string]string{"first repository": from, "its name": "shop"}}, Answers{}); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"forkgate pool init --size 20G", "forkgate policy check", "systemctl enable --now forkgate.target",
		"forkgate rootfs build", "forkgate repo create shop --from " + from,
	}
	if !slices.Equal(f.ran, want) {
		t.Errorf("it ran %q", f.ran)
	}
	for _, line := range want {
		if !strings.Contains(f.out.String(), "+ "+line) {
			t.Errorf("it does not show %q:\n%s", line, &f.out)
		}
	}
	text, err := os.ReadFile(filepath.Join(f.Root, principals))
	if err != nil || !strings.Contains(string(text), key+" me@laptop") || strings.Contains(string(text), "vouched") {
		t.Errorf("%v, %s", err, text)
	}
}

// What is asked is asked before anything is done: nobody waits for a rootfs to be asked for a name.
func TestNothingIsDoneBeforeAllIsAsked(t *testing.T) {
	for name, a := range map[string]Answers{
		"a file of keys that is not there": {Keys: "/nowhere"},
		"a rootfs that is not there":       {Rootfs: "/nowhere"},
		"a rootfs that is a directory":     {Rootfs: "/tmp"},
		"a file for a disk":                {Device: "/srv/db.dat"},
		"a size that is none":              {Size: "20"},
		"a source that is not there":       {From: "/nowhere"},
		"a name that is none":              {Repo: "Shop*"},
		"a fork's name":                    {Repo: "shop:one"},
		"a principal's name that is none":  {Principal: "al ice"},
		"none for a principal's name":      {Principal: "none"},
	} {
		f := newFake(t)
		if err := Run(t.Context(), f.Host, &proposed{}, a); err == nil {
			t.Errorf("%s: no error", name)
		}
		if len(f.ran) > 0 || exists(filepath.Join(f.Root, principals)) {
			t.Errorf("%s: it ran %q", name, f.ran)
		}
	}
}

// A setup that failed goes on where it was: what is there is neither asked for nor made again.
func TestItGoesOn(t *testing.T) {
	f := newFake(t)
	f.fail = "rootfs build"
	err := Run(t.Context(), f.Host, &proposed{}, Answers{Repo: "shop"})
	if !errors.Is(err, ErrUnfinished) || !strings.Contains(err.Error(), "the tools inside sessions: forkgate rootfs build: exit status 1: it says why above") || slices.Contains(f.ran, "forkgate repo create shop") {
		t.Fatalf("%v after %q", err, f.ran)
	}
	if err := os.MkdirAll(filepath.Join(f.Root, filepath.Dir(poolUnit)), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(f.Root, poolUnit), "")
	f.says["systemctl is-enabled forkgate.target"] = "enabled\n"
	f.says["systemctl is-active forkgate-warden.service"], f.says["systemctl is-active forkgate-gate.socket"] = "active\n", "active\n"
	f.fail, f.ran = "", nil
	again := &proposed{}
	if err := Run(t.Context(), f.Host, again, Answers{Repo: "shop"}); err != nil {
		t.Fatal(err)
	}
	if want := []string{"forkgate rootfs build", "forkgate repo create shop"}; !slices.Equal(f.ran, want) || len(again.asked) != 3 {
		t.Errorf("it ran %q and asked %q", f.ran, again.asked)
	}
	f.says["forkgate rootfs list --json"], f.says["forkgate repo list --json"] = "[\n  {}\n]", "[\n  {}\n]"
	f.ran = nil
	if err := Run(t.Context(), f.Host, again, Answers{}); err != nil || len(f.ran) > 0 || len(again.asked) != 5 {
		t.Errorf("%v: it ran %q and asked %q", err, f.ran, again.asked)
	}
}

// A project that Docker knows is adopted: a copy of its files would be of no one moment, and without its volumes. Where there is a Compose file and no
// project, that is said.
func TestComposeProject(t *testing.T) {
	from, plain := t.TempDir(), t.TempDir()
	write(t, filepath.Join(from, "compose.yaml"), "")
	for _, c := range []struct {
		name, from string
		known      bool
		fault      error
		ran, told  string
	}{
		{"one that is known", from, true, nil, "adopt " + from + " --name shop", "taken with its volumes"},
		{"without a file by that name", plain, true, nil, "adopt " + plain + " --name shop", "taken with its volumes"},
		{"not known", from, false, nil, "create shop --from " + from, "no volumes: there is a Compose file, but the host's Docker has no containers of it"},
		{"no Docker", from, false, errors.New("no docker"), "create shop --from " + from, "no volumes: there is a Compose file, but Docker cannot be asked about it: no docker"},
		{"no project", plain, false, errors.New("no docker"), "create shop --from " + plain, ""},
	} {
		f := newFake(t)
		f.known, f.fault = c.known, c.fault
		if err := Run(t.Context(), f.Host, &proposed{}, Answers{From: c.from, Repo: "shop"}); err != nil {
			t.Fatal(err)
		}
		if last := f.ran[len(f.ran)-1]; last != "forkgate repo "+c.ran {
			t.Errorf("%s: it ran %q", c.name, last)
		}
		if said := f.out.String(); !strings.Contains(said, c.told) || c.told == "" && strings.Contains(said, "volumes") {
			t.Errorf("%s: it says %q", c.name, said)
		}
	}
}

// The keys of whoever came by sudo are where that account is at home.
func TestKeysOfWhoTypes(t *testing.T) {
	f := newFake(t)
	t.Setenv("SUDO_USER", "mara")
	f.says["getent passwd mara"] = "mara:x:1001:1001::/srv/people/mara:/bin/bash\n"
	file := filepath.Join(f.Root, "srv/people/mara/.ssh/authorized_keys")
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, file, key+" of mara\n")
	if err := Run(t.Context(), f.Host, &proposed{}, Answers{}); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(f.Root, principals)); err != nil || !strings.Contains(string(text), "of mara") {
		t.Errorf("%v, %s", err, text)
	}
}

// Keys that are for one command, or that vouch for others, are no person's; what nobody vouches for stays an agent's.
func TestKeys(t *testing.T) {
	f := newFake(t)
	file := filepath.Join(t.TempDir(), "keys")
	write(t, file, "command=\"/usr/bin/backup\" "+key+" backup\ncert-authority "+key+"\nnonsense\n\n"+key+" \"${x}\" %{y}\n")
	asker := &proposed{vouched: true}
	if err := Run(t.Context(), f.Host, asker, Answers{Keys: file, Principal: "alice"}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"line 1 of " + file + ": a key with command\n", "line 2 of " + file + ": a key with cert-authority\n", "line 3 of " + file + ": no key\n"} {
		if !strings.Contains(f.out.String(), want) {
			t.Errorf("no %q in\n%s", want, &f.out)
		}
	}
	text, err := os.ReadFile(filepath.Join(f.Root, principals))
	if err != nil || strings.Count(string(text), "ssh-ed25519") != 1 || !strings.Contains(string(text), "vouched = true") {
		t.Errorf("%v, %s", err, text)
	}
	if _, diags := hclparse.NewParser().ParseHCL(text, "principals.hcl"); diags.HasErrors() || !strings.Contains(string(text), `\"$${x}\" %%{y}`) {
		t.Errorf("%v in\n%s", diags, text)
	}
	// What the operator was asked about is what is written.
	swapped := newFake(t)
	swapped.Run = func(context.Context, ...string) error {
		write(t, file, key+" another\n")
		return nil
	}
	if err := Run(t.Context(), swapped.Host, asker, Answers{Keys: file}); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(swapped.Root, principals)); err != nil || strings.Contains(string(text), "another") {
		t.Errorf("a file of keys that has changed meanwhile: %v, %s", err, text)
	}
	if !strings.Contains(swapped.out.String(), "SHA256:") {
		t.Errorf("no fingerprint is shown:\n%s", &swapped.out)
	}
	write(t, file, "command=\"x\" "+key+"\n")
	other := newFake(t)
	if err := Run(t.Context(), other.Host, asker, Answers{Keys: file}); !errors.Is(err, errNoKeys) {
		t.Errorf("a file without a key of a person: %v", err)
	}
}

// The gate is known by what this host is known by: the same bytes, for root alone.
func TestHostKeys(t *testing.T) {
	f := newFake(t)
	dir := filepath.Join(f.Root, sshdKeys)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	text := string(pem.EncodeToMemory(block))
	write(t, filepath.Join(dir, "ssh_host_ed25519_key"), text)
	write(t, filepath.Join(dir, "ssh_host_ecdsa_key"), "no key")
	if err := Run(t.Context(), f.Host, &proposed{}, Answers{}); err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(f.Root, gateKeys, "ssh_host_ed25519_key")
	info, err := os.Stat(key)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info, err)
	}
	if got, err := os.ReadFile(key); string(got) != text {
		t.Errorf("the key is another: %v", err)
	}
	if got, err := os.ReadFile(key + ".pub"); !strings.HasPrefix(string(got), "ssh-ed25519 ") {
		t.Errorf("the public half is %q, %v", got, err)
	}
	if exists(filepath.Join(f.Root, gateKeys, "ssh_host_ecdsa_key")) || !strings.Contains(f.out.String(), "left out: ") {
		t.Errorf("what is no key was copied, or left out without a word:\n%s", &f.out)
	}
}

// The port is taken when somebody was let in, and kept when somebody is let in there.
func TestPort(t *testing.T) {
	for logins, want := range map[int]string{
		0: "", 1: "port 22, sshd 127.0.0.1:2222; forkgate doors --rollback", 2: "port 22, sshd 127.0.0.1:2222",
	} {
		f := newFake(t)
		t.Setenv("LOGNAME", "root")
		f.logins = logins
		err := Run(t.Context(), f.Host, &proposed{}, Answers{Port: true})
		if f.kept != (logins == 2) || (err == nil) != f.kept || err != nil && !errors.Is(err, errNobodyCame) {
			t.Errorf("after %d logins: %v, kept: %v", logins, err, f.kept)
		}
		if got := strings.Join(slices.DeleteFunc(f.ran, func(line string) bool { return !strings.Contains(line, "port 22") && !strings.Contains(line, "doors") }), "; "); got != want {
			t.Errorf("after %d logins: it ran %q", logins, got)
		}
	}
}

// The other doors are closed when somebody was let in, and setup is finished when that was confirmed. Nobody is asked for twice.
func TestDoors(t *testing.T) {
	const closes = "forkgate doors --close --patience 5m"
	for _, c := range []struct {
		logins          int
		confirmed, port bool
		ran             bool
		want            error
	}{
		{want: errNobodyCame},
		{logins: 1, ran: true, want: errTakenBack},
		{logins: 1, ran: true, confirmed: true},
		{logins: 3, ran: true, confirmed: true, port: true},
	} {
		f := newFake(t)
		t.Setenv("LOGNAME", "root")
		f.logins, f.confirmed = c.logins, c.confirmed
		asker := &proposed{}
		err := Run(t.Context(), f.Host, asker, Answers{Doors: true, Port: c.port})
		if ran := slices.Contains(f.ran, closes); !errors.Is(err, c.want) || (err == nil) != (c.want == nil) || ran != c.ran || f.kept != c.port {
			t.Errorf("%+v: %v, it ran %q", c, err, f.ran)
		}
		if doorsThere(t.Context(), f.Host) != "" != c.confirmed {
			t.Errorf("%+v: said again, it says %q", c, doorsThere(t.Context(), f.Host))
		}
	}
	f := newFake(t)
	f.logins = 1
	var ctx context.Context
	ctx, f.cancel = context.WithCancel(t.Context())
	if err := Run(ctx, f.Host, &proposed{}, Answers{Doors: true}); !errors.Is(err, context.Canceled) || f.ran[len(f.ran)-1] != "forkgate doors --rollback" {
		t.Errorf("where nobody waits for the confirmation: %v, it ran %q", err, f.ran)
	}
	if !strings.Contains(f.out.String(), "another ^C does not end that\n+ forkgate doors --rollback\n") {
		t.Errorf("it says\n%s", &f.out)
	}
	f = newFake(t)
	f.fail = closes
	f.logins = 1
	if err := Run(t.Context(), f.Host, &proposed{}, Answers{Doors: true}); !errors.Is(err, ErrUnfinished) || f.shut || f.ran[len(f.ran)-1] != closes {
		t.Errorf("what cannot be closed: %v", err)
	}
}

func TestQuoted(t *testing.T) {
	for word, want := range map[string]string{"": "''", "a b": "'a b'", "it's": `'it'\''s'`, "/srv/shop-1.2": "/srv/shop-1.2", "$x": "'$x'"} {
		if got := quoted(word); got != want {
			t.Errorf("%q is shown as %s, want %s", word, got, want)
		}
	}
}
