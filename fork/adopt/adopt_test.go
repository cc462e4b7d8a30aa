package adopt

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// place is a Docker, and a repository, in memory: it answers by how its arguments begin, and notes what it was asked.
type place struct {
	name    string
	calls   *[]string
	answers map[string]string
	fails   string // what it fails at
}

func (p *place) Docker(_ context.Context, in io.Reader, out io.Writer, args ...string) error {
	said := strings.Join(args, " ")
	*p.calls = append(*p.calls, p.name+" "+said)
	if in != nil {
		_, _ = io.Copy(io.Discard, in)
	}
	if p.fails != "" && strings.HasPrefix(said, p.fails) {
		return errors.New("no such luck")
	}
	for begin, answer := range p.answers {
		if out != nil && strings.HasPrefix(said, begin) {
			_, err := io.WriteString(out, answer)
			return err
		}
	}
	return nil
}

func (p *place) note(what string) error {
	*p.calls = append(*p.calls, p.name+" "+what)
	if p.fails == what {
		return errors.New("no such luck")
	}
	return nil
}

func (p *place) Create(_ context.Context, data *os.File) error {
	_, _ = io.Copy(io.Discard, data)
	return p.note("create")
}
func (p *place) Remove(ctx context.Context) error            { return errors.Join(ctx.Err(), p.note("remove")) }
func (p *place) Rename(_ context.Context, _, _ string) error { return p.note("rename") }
func (p *place) Dir(context.Context) (string, error)         { return "/mnt/x", nil }

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
	answers := map[string]string{"ps": "db-id\nweb-id\n", "inspect": string(text), "volume inspect": volume, "image inspect": `[{"Id": "sha256:1"}]`, "compose config": `{"services": {}}`}
	host := &place{name: "host", calls: calls, answers: answers}
	a := Adoption{Host: host, To: &place{name: "there", calls: calls, answers: answers}, User: 7111, Patience: time.Second, Say: func(string) {}}
	p, err := Find(t.Context(), host, dir)
	if err != nil {
		t.Fatal(err)
	}
	*calls = nil
	return a, p, calls
}

func unchangedShop(*container, *string) {}

// What was started last is stopped first, and nothing of the old is removed.
func TestTheOrder(t *testing.T) {
	a, p, calls := shop(t, unchangedShop)
	if err := a.Run(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	want := []string{"host stop db-id", "host stop web-id", "there create", "host save img", "there volume create --label a=b shop_data",
		"there create --name forkgate-adopts --volume shop_data:/forkgate-adopts/db --entrypoint /none img none", "there rename",
		"there compose up --detach --no-build --pull never", "host update --restart no web-id", "host update --restart no db-id"}
	left := want
	for _, call := range *calls {
		if len(left) > 0 && call == left[0] {
			left = left[1:]
		}
		if strings.Contains(call, "host rm") || strings.Contains(call, "host volume rm") || call == "there remove" {
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
	for _, fails := range []string{"host stop web-id", "there create", "host save", "there load", "there volume create", "there create --name", "host cp", "there cp", "there rename", "there compose config", "there compose up", "there ps"} {
		t.Run(fails, func(t *testing.T) {
			a, p, calls := shop(t, unchangedShop)
			where, what, _ := strings.Cut(fails, " ")
			if where == "host" {
				a.Host.(*place).fails = what
			} else {
				a.To.(*place).fails = what
			}
			ctx, cancel := context.WithCancel(t.Context())
			a.Say = func(string) { cancel() } // who asked has gone
			if err := a.Run(ctx, p); err == nil {
				t.Fatal("it is adopted all the same")
			}
			if end := (*calls)[max(0, len(*calls)-3):]; !slices.Equal(end, []string{"there remove", "host start web-id", "host start db-id"}) && fails != "host stop web-id" || !slices.Equal(end[1:], []string{"host start web-id", "host start db-id"}) {
				t.Errorf("it ends with %q", end)
			}
		})
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
		"by digest":      func(c *container, _ *string) { c.Config.Image = "img@sha256:1" },
		"an older image": func(c *container, _ *string) { c.Image = "sha256:0" },
		"the driver nfs": func(_ *container, v *string) { *v = strings.Replace(*v, "local", "nfs", 1) },
		"the driver local": func(_ *container, v *string) {
			*v = strings.Replace(*v, `"Labels"`, `"Options": {"type": "nfs"}, "Labels"`, 1)
		},
		"variables of": func(c *container, _ *string) { c.Config.Labels[labelEnvFile] = "/etc/other.env" },
		"without a name": func(c *container, _ *string) {
			c.Mounts = append(c.Mounts, mount{Type: "volume", Name: strings.Repeat("0a", 32), Destination: "/data"})
		},
	} {
		a, p, calls := shop(t, change)
		a.Host.(*place).answers["cp"] = archive(t, "data/", "data/file")
		if err := a.Run(t.Context(), p); !errors.Is(err, ErrUnfit) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
		if slices.ContainsFunc(*calls, func(call string) bool { return strings.Contains(call, " stop ") || strings.HasPrefix(call, "there") }) {
			t.Errorf("%s: it did %q", want, *calls)
		}
	}
	a, p, _ := shop(t, func(c *container, _ *string) {
		c.Mounts = append(c.Mounts, mount{Type: "volume", Name: strings.Repeat("0a", 32), Destination: "/data"})
	})
	a.Host.(*place).answers["cp"] = archive(t, "data/")
	if err := a.Check(t.Context(), p); err != nil {
		t.Errorf("a volume with nothing in it: %v", err)
	}
	a.Host.(*place).answers["cp"], a.Leave = archive(t, "data/", "data/file"), true
	if err := a.Check(t.Context(), p); err != nil {
		t.Errorf("what may be left behind: %v", err)
	}
	a.Host.(*place).fails, a.Leave = "cp", false
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
		{Name: "./read/page", Uid: own}, {Name: "./.env", Uid: own, Size: 4}, {Name: "./redIACCfile", Uid: own}, {Name: "./link", Uid: 5, Typeflag: tar.TypeSymlink, Linkname: "state"},
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
	want := map[string]int{"./": 7111, "./compose.yaml": 7111, "./state/": 999, "./state/mine": own, "./stately": 7111, "./read/key": 999, "./read/page": 7111, "./.env": 7111, "./" + hooksAside: 7111, "./link": 7111}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestEnvironment(t *testing.T) {
	p := Project{Name: "shop", files: []string{"compose.yaml", "more.yaml"}}
	for env, want := range map[string]string{
		"":    "COMPOSE_PROJECT_NAME=shop\nCOMPOSE_FILE=compose.yaml:more.yaml\n",
		"A=1": "A=1\nCOMPOSE_PROJECT_NAME=shop\nCOMPOSE_FILE=compose.yaml:more.yaml\n",
		"COMPOSE_FILE=x\nB=COMPOSE_PROJECT_NAME=\n": "COMPOSE_FILE=x\nB=COMPOSE_PROJECT_NAME=\nCOMPOSE_PROJECT_NAME=shop\n",
	} {
		if got := string(p.environment([]byte(env))); got != want {
			t.Errorf("%q: %q, want %q", env, got, want)
		}
	}
}

func TestPublished(t *testing.T) {
	var c container
	if err := json.Unmarshal([]byte(`{"HostConfig": {"PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "8080"}, {"HostIp": "127.0.0.1", "HostPort": "9000"}, {"HostIp": "::", "HostPort": "8080"}],
		"53/udp": [{"HostIp": "192.0.2.1", "HostPort": "5353"}], "81/tcp": [{"HostPort": ""}]}}}`), &c); err != nil {
		t.Fatal(err)
	}
	if got := (Project{containers: []container{c}}).published(); !slices.Equal(got, []string{"5353:5353/udp", "8080:8080/tcp"}) {
		t.Errorf("got %q", got)
	}
}
