package adopt

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// side is a Docker, and a repository, in memory: it answers by how its arguments begin, and notes what it was asked.
type side struct {
	name    string
	calls   *[]string
	answers map[string]string
	fails   string // what it fails at
	stopped *bool  // what was there before does not run any more
}

func (p *side) Docker(_ context.Context, in io.Reader, out io.Writer, args ...string) error {
	said := strings.Join(args, " ")
	*p.calls = append(*p.calls, p.name+" "+said)
	if in != nil {
		_, _ = io.Copy(io.Discard, in)
	}
	for _, fails := range strings.Split(p.fails, "|") {
		if fails != "" && strings.HasPrefix(said, fails) {
			return errors.New("no such luck")
		}
	}
	if strings.HasPrefix(said, "stop") {
		*p.stopped = true
	}
	if p.name == "host" && *p.stopped && strings.HasPrefix(said, "inspect") {
		_, err := io.WriteString(out, strings.ReplaceAll(p.answers["inspect"], `"running"`, `"exited"`))
		return err
	}
	for begin, answer := range p.answers {
		if out != nil && strings.HasPrefix(said, begin) {
			_, err := io.WriteString(out, answer)
			return err
		}
	}
	return nil
}

func (p *side) note(what string) error {
	*p.calls = append(*p.calls, p.name+" "+what)
	if slices.Contains(strings.Split(p.fails, "|"), what) {
		return errors.New("no such luck")
	}
	return nil
}

func (p *side) Create(_ context.Context, data *os.File) error {
	_, _ = io.Copy(io.Discard, data)
	return p.note("create")
}
func (p *side) Remove(ctx context.Context) error            { return errors.Join(ctx.Err(), p.note("remove")) }
func (p *side) Rename(_ context.Context, _, _ string) error { return p.note("rename") }
func (p *side) Dir(context.Context) (string, error)         { return "/mnt/x", nil }

// shop is a project with two containers, a volume and a bind mount, and the Dockers of before and after.
func shop(t *testing.T, change func(c *container, volume *string)) (Adoption, Project, *[]string) {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var all []container
	for i, service := range []string{"db", "web"} {
		c := container{ID: service + "-id", Name: "/shop-" + service + "-1", Image: "sha256:1"}
		c.State.Status, c.State.StartedAt = "running", time.Unix(int64(100-i), 0) // web was started first
		c.Config.Image = "img"
		c.Config.Labels = map[string]string{labelProject: "shop", labelDir: dir, labelFiles: dir + "/compose.yaml", labelService: service}
		c.HostConfig.RestartPolicy.Name = "always"
		c.Mounts = []mount{{Type: "volume", Name: "shop_data", Destination: "/var/lib/db"}, {Type: "bind", Source: dir + "/state", Destination: "/state", RW: true}}
		all = append(all, c)
	}
	volume := `[{"Name": "shop_data", "Driver": "local", "Labels": {"a": "b"}}]`
	change(&all[0], &volume)
	text, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	calls := &[]string{}
	started := fmt.Sprintf("db-id %q\nweb-id %[1]q\n", dir)
	answers := map[string]string{"ps --all --quiet": "db-id\nweb-id\n", "ps --all --no-trunc --filter label=" + labelDir + " --format": started, "inspect": string(text), "volume inspect": volume, "volume ls": "shop_other\n", "image inspect": `[{"Id": "sha256:1"}]`, "compose config": `{"services": {}}`}
	stopped := new(bool)
	host := &side{name: "host", calls: calls, answers: answers, stopped: stopped}
	there := maps.Clone(answers)
	there["inspect"] = strings.ReplaceAll(answers["inspect"], dir, "/mnt/x")
	a := Adoption{Host: host, To: &side{name: "there", calls: calls, answers: there, stopped: stopped}, User: 7111, Steady: time.Second / 2, Patience: time.Second, Say: func(string) {}}
	p, err := Find(t.Context(), host, dir)
	if err != nil {
		t.Fatal(err)
	}
	*calls = nil
	return a, p, calls
}

func unchangedShop(*container, *string) {}

// labelled answers docker ps with one container of each directory that Compose was told of, and inspects those of the first alone.
type labelled []string

func (l labelled) Docker(_ context.Context, _ io.Reader, out io.Writer, args ...string) error {
	switch {
	case args[0] == "inspect" && args[len(args)-1] == "id-0":
		_, err := io.WriteString(out, `[{"Id": "id-0"}]`)
		return err
	case slices.Contains(args, "--all") && slices.Contains(args, "label="+labelDir):
		for i, dir := range l {
			fmt.Fprintf(out, "id-%d %q\n", i, dir)
		}
		return nil
	}
	return errors.New("no such object")
}

// A project is known by its directory and by each link to it, whichever of them Compose was told; those elsewhere, or that are gone, are none of it.
func TestKnown(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	links := t.TempDir()
	link, other, dangling := filepath.Join(links, "current"), filepath.Join(links, "a\nother"), filepath.Join(links, "gone")
	for name, to := range map[string]string{link: dir, other: link, dangling: dir + "/none"} {
		if err := os.Symlink(to, name); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		named, told string
		want        bool
	}{
		{dir, dir, true}, {link, dir, true}, {link, link, true}, {dir, link, true}, {link, other, true}, {other, link, true}, {dir, dir + "/.", true},
		{dir, "", false}, {dir, ".", false}, {dir, links, false}, {dir, dangling, false}, {dir, dir + "/none", false},
	} {
		t.Chdir(dir)
		if got, err := Known(t.Context(), labelled{c.told, links}, c.named); got != c.want || err != nil {
			t.Errorf("%q, where Compose was told %q: %v, %v", c.named, c.told, got, err)
		}
	}
	if got, err := Known(t.Context(), labelled{}, dir+"/none"); got || err == nil {
		t.Errorf("a directory that is not there: %v, %v", got, err)
	}
}

// What was started last is stopped first, and nothing of the old is removed.
func TestTheOrder(t *testing.T) {
	a, p, calls := shop(t, unchangedShop)
	if err := a.Run(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	want := []string{"host update --restart no web-id", "host update --restart no db-id", "host stop db-id", "host stop web-id", "there create", "host save img",
		"there volume create --label a=b shop_data", "host create --name forkgate-adopts-shop --volume shop_data:/forkgate-adopts/volume --entrypoint /none img none",
		"there create --name forkgate-adopts-shop --volume shop_data:/forkgate-adopts/volume --entrypoint /none img none", "there rm --force --volumes forkgate-adopts-shop", "host rm --force --volumes forkgate-adopts-shop",
		"there volume create --label a=b shop_data", // shop_other, which no container has, is told of in the same words here
		"there rename", "there compose up --detach --no-build --pull never"}
	left := want
	for _, call := range *calls {
		if len(left) > 0 && call == left[0] {
			left = left[1:]
		}
		if strings.Contains(call, "host rm") && !strings.Contains(call, helper) || strings.Contains(call, "host volume rm") || strings.Contains(call, "host start") || strings.Contains(call, "always") || call == "there remove" {
			t.Errorf("it did: %s", call)
		}
	}
	if len(left) > 0 {
		t.Errorf("not done, or not in order: %q of\n%s", left, strings.Join(*calls, "\n"))
	}
}

// Whatever fails, and whoever gives up, the project runs again in the order in which it ran, and the repository is gone; where nothing was begun
// nothing is undone.
func TestWhatFailsIsUndone(t *testing.T) {
	for _, fails := range []string{"host update --restart no db-id", "host stop web-id", "there create", "host save", "there load", "there volume create", "there create --name", "host cp", "there cp", "there rename", "there compose config", "there compose up", "there ps"} {
		t.Run(fails, func(t *testing.T) {
			a, p, calls := shop(t, unchangedShop)
			where, what, _ := strings.Cut(fails, " ")
			if where == "host" {
				a.Host.(*side).fails = what
			} else {
				a.To.(*side).fails = what
			}
			ctx, cancel := context.WithCancel(t.Context())
			a.Say = func(string) { cancel() } // who asked has gone
			if err := a.Run(ctx, p); err == nil {
				t.Fatal("it is adopted all the same")
			}
			want := []string{"there remove", "host stop db-id", "host stop web-id", "host start web-id", "host start db-id", "host update --restart always web-id", "host update --restart always db-id"}
			switch fails {
			case "host update --restart no db-id":
				want = want[5:]
			case "host stop web-id":
				want = want[1:]
			}
			if end := (*calls)[max(0, len(*calls)-len(want)):]; !slices.Equal(end, want) {
				t.Errorf("it ends with %q, want %q", end, want)
			}
		})
	}
}

// Where the repository cannot be removed the project does not run in it, or does not run where it was: never in both.
func TestNeverInBoth(t *testing.T) {
	for fails, starts := range map[string]bool{"remove|compose up": true, "remove|compose up|compose down": false} {
		a, p, calls := shop(t, unchangedShop)
		a.To.(*side).fails = fails
		err := a.Run(t.Context(), p)
		if err == nil || errors.Is(err, errRuns) == starts {
			t.Errorf("%s: %v", fails, err)
		}
		if slices.Contains(*calls, "host start web-id") != starts || !slices.Contains(*calls, "there compose down") {
			t.Errorf("%s: it did %q", fails, *calls)
		}
	}
}

func TestWhatIsRefused(t *testing.T) {
	for want, change := range map[string]func(c *container, volume *string){
		"is paused":           func(c *container, _ *string) { c.State.Status = "paused" },
		"exited, exit code 1": func(c *container, _ *string) { c.State.Status, c.State.ExitCode = "exited", 1 },
		"is starting":         func(c *container, _ *string) { c.State.Health = &struct{ Status string }{"starting"} },
		"/etc of the host":    func(c *container, _ *string) { c.Mounts = append(c.Mounts, mount{Type: "bind", Source: "/etc"}) },
		"docker.sock of the host": func(c *container, _ *string) {
			c.Mounts = append(c.Mounts, mount{Type: "bind", Source: "/var/run/docker.sock"})
		},
		"by digest":            func(c *container, _ *string) { c.Config.Image = "img@sha256:1" },
		"somebody has stopped": func(c *container, _ *string) { c.State.Status = "exited" },
		"an older image":       func(c *container, _ *string) { c.Image = "sha256:0" },
		"the driver nfs":       func(_ *container, v *string) { *v = strings.Replace(*v, "local", "nfs", 1) },
		"the driver local": func(_ *container, v *string) {
			*v = strings.Replace(*v, `"Labels"`, `"Options": {"type": "nfs"}, "Labels"`, 1)
		},
		"variables of": func(c *container, _ *string) { c.Config.Labels[labelEnvFile] = "/etc/other.env" },
		"without a name": func(c *container, _ *string) {
			c.Mounts = append(c.Mounts, mount{Type: "volume", Name: strings.Repeat("0a", 32), Destination: "/data"})
		},
	} {
		a, p, calls := shop(t, change)
		a.Host.(*side).answers["cp"] = archive(t, "data/", "data/file")
		if err := a.Run(t.Context(), p); !errors.Is(err, ErrUnfit) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
		if slices.ContainsFunc(*calls, func(call string) bool {
			return strings.Contains(call, " stop ") || strings.Contains(call, " update ") || strings.HasPrefix(call, "there")
		}) {
			t.Errorf("%s: it did %q", want, *calls)
		}
	}
	a, p, _ := shop(t, func(c *container, _ *string) {
		c.Mounts = append(c.Mounts, mount{Type: "volume", Name: strings.Repeat("0a", 32), Destination: "/data"})
	})
	a.Host.(*side).answers["cp"] = archive(t, "data/")
	if err := a.Check(t.Context(), p); err != nil {
		t.Errorf("a volume with nothing in it: %v", err)
	}
	a.Host.(*side).answers["cp"], a.Leave = archive(t, "data/", "data/file"), true
	if err := a.Check(t.Context(), p); err != nil {
		t.Errorf("what may be left behind: %v", err)
	}
	a.Host.(*side).fails, a.Leave = "cp", false
	if err := a.Check(t.Context(), p); err == nil || errors.Is(err, ErrUnfit) {
		t.Errorf("a volume that cannot be looked into: %v", err)
	}
}

func archive(t *testing.T, names ...string) string {
	t.Helper()
	var text bytes.Buffer
	w := tar.NewWriter(&text)
	for _, name := range names {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o755}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

// What containers write keeps its owners, what they read does unless it is the project's own, and the rest is the user's. A Rediaccfile is put aside.
func TestOwners(t *testing.T) {
	a, p, _ := shop(t, func(c *container, _ *string) {
		dir := c.Config.Labels[labelDir]
		c.Mounts = append(c.Mounts, mount{Type: "bind", Source: dir + "/read"}, mount{Type: "bind", Source: dir})
	})
	own := os.Getuid()
	var in, out bytes.Buffer
	w := tar.NewWriter(&in)
	for _, h := range []tar.Header{
		{Name: "./", Uid: own}, {Name: "./compose.yaml", Uid: own}, {Name: "./state/", Uid: 999}, {Name: "./state/mine", Uid: own}, {Name: "./stately", Uid: 999}, {Name: "./read/key", Uid: 999},
		{Name: "./read/page", Uid: own}, {Name: "./.env", Uid: own, Size: 4, Mode: 0o640}, {Name: "./redIACCfile", Uid: own}, {Name: "./link", Uid: 5, Typeflag: tar.TypeSymlink, Linkname: "state"},
	} {
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		_, _ = w.Write(make([]byte, h.Size))
	}
	if err := errors.Join(w.Close(), a.repack(p, []byte("A=1\n"), tar.NewReader(&in), tar.NewWriter(&out))); err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for r := tar.NewReader(&out); ; {
		h, err := r.Next()
		if err != nil {
			break
		}
		got[h.Name] = h.Uid
	}
	want := map[string]int{"./": 7111, "./compose.yaml": 7111, "./state/": 999, "./state/mine": own, "./stately": 999, "./read/key": 999, "./read/page": 7111, "./.env": 7111, "./" + hooksAside: 7111, "./link": 5}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestEnvironment(t *testing.T) {
	p := Project{Name: "shop", files: []string{"compose.yaml", "more.yaml"}}
	const added = "COMPOSE_PROJECT_NAME=shop\nCOMPOSE_FILE=compose.yaml:more.yaml\n"
	for env, want := range map[string]string{"": added, "A=1": "A=1\n" + added, "COMPOSE_FILE=x\n": "COMPOSE_FILE=x\n" + added} {
		if got := string(p.environment([]byte(env))); got != want {
			t.Errorf("%q: %q, want %q", env, got, want)
		}
	}
}

func TestPorts(t *testing.T) {
	var c container
	if err := json.Unmarshal([]byte(`{"HostConfig": {"PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "8080"}, {"HostIp": "127.0.0.1", "HostPort": "9000"}, {"HostIp": "::", "HostPort": "8080"}],
		"53/udp": [{"HostIp": "192.0.2.1", "HostPort": "5353"}], "81/tcp": [{"HostPort": ""}]}}}`), &c); err != nil {
		t.Fatal(err)
	}
	c.HostConfig.NetworkMode, c.Name = "host", "/shop-web-1"
	published, local := Project{containers: []container{c}}.ports()
	if !slices.Equal(published, []string{"5353:5353/udp", "8080:8080/tcp"}) || !slices.Equal(local, []string{"127.0.0.1:9000", "all of shop-web-1, which has the host's network"}) {
		t.Errorf("got %q, and locally %q", published, local)
	}
}

// What runs in the repository is what ran: a variable that only its starter had, another command, other places are told of, without a value.
func TestAlike(t *testing.T) {
	for want, change := range map[string]func(c *container){
		"":                                func(*container) {},
		"or none, of the variables A, B:": func(c *container) { c.Config.Env = []string{"A=secret"} },
		"or none, of the variables A:":    func(c *container) { c.Config.Env = []string{"A=", "B=1"} },
		"other command":                   func(c *container) { c.Config.Cmd = []string{"other"} },
		"other user and directory":        func(c *container) { c.Config.User = "root" },
		"other mounts":                    func(c *container) { c.Mounts = c.Mounts[:1] },
		"there is no shop-db-1":           func(c *container) { c.Config.Labels[labelNumber] = "2" },
	} {
		_, p, _ := shop(t, func(c *container, _ *string) { c.Config.Env = []string{"A=hidden", "B=1"} })
		text, err := json.Marshal(p.containers)
		if err != nil {
			t.Fatal(err)
		}
		var now []container
		if err := json.Unmarshal([]byte(strings.ReplaceAll(string(text), p.Dir, "/mnt/x")), &now); err != nil {
			t.Fatal(err)
		}
		change(&now[slices.IndexFunc(now, func(c container) bool { return c.ID == "db-id" })])
		if err := alike(p, now, "/mnt/x"); (err == nil) != (want == "") || err != nil && (!strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hidden")) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// What others work in is refused, and so is what runs of the project and is no service's.
func TestOthersAtIt(t *testing.T) {
	for want, change := range map[string]func(c *container, dir string){
		"works in shop_data": func(c *container, _ string) { c.Mounts = []mount{{Type: "volume", Name: "shop_data"}} },
		"works in DIR/state": func(c *container, dir string) { c.Mounts = []mount{{Type: "bind", Source: dir + "/state"}} },
		"which is no service's: stop it": func(c *container, _ string) {
			c.Config.Labels = map[string]string{labelProject: "shop", labelOneOff: "True"}
		},
	} {
		a, p, _ := shop(t, unchangedShop)
		other := container{ID: "x", Name: "/other"}
		change(&other, p.Dir)
		text, err := json.Marshal(append(slices.Clone(p.containers), other))
		if err != nil {
			t.Fatal(err)
		}
		a.Host.(*side).answers["inspect"] = string(text)
		if err := a.Check(t.Context(), p); !errors.Is(err, ErrUnfit) || !strings.Contains(err.Error(), strings.ReplaceAll(want, "DIR", p.Dir)) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// A program to which the pipe is handed waits where nothing is there yet: its ends block, and those of os.Pipe do not.
func TestThePipeBlocks(t *testing.T) {
	blocks := func(f *os.File, err error) bool {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		conn, err := f.SyscallConn() // which leaves it as it is
		if err != nil {
			t.Fatal(err)
		}
		flags := 0
		if failed := conn.Control(func(fd uintptr) { flags, err = unix.FcntlInt(fd, unix.F_GETFL, 0) }); failed != nil || err != nil {
			t.Fatal(failed, err)
		}
		return flags&unix.O_NONBLOCK == 0
	}
	out, in, err := pipe()
	if !blocks(out, err) || !blocks(in, err) {
		t.Error("it does not block")
	}
	out, in, err = os.Pipe()
	if blocks(out, err) || blocks(in, err) {
		t.Error("nor does one of os.Pipe: this test proves nothing")
	}
}
