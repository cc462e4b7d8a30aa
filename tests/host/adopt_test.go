package host_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"forkgate/tests/host"
)

// compose.yaml of a project: a database as a user of its own, which writes into a volume and beside it, a server, and something that runs once.
const shopProject = `
services:
  db:
    image: bb
    user: "999:999"
    restart: always
    command: ["sh", "-c", "trap exit TERM; while :; do date +%s >>/var/lib/db/log; cp /var/lib/db/log /state/copy; sleep 0.2; done"]
    volumes: ["dbdata:/var/lib/db", "./state:/state"]
    healthcheck: {test: ["CMD", "test", "-s", "/var/lib/db/log"], interval: 1s}
  web:
    image: bb
    command: httpd -f -p 80 -h /www
    stop_grace_period: 1s
    environment: {WHO: "${WHO}"}
    ports: ["8080:80", "127.0.0.1:9000:80"]
    volumes: ["./www:/www:ro", "/etc/localtime:/etc/localtime:ro"]
    depends_on: {db: {condition: service_healthy}}
  once:
    image: bb
    command: "true"
volumes: {dbdata: {}}
`

// beginProject starts a project below /srv with the host's own Docker, which is told another name of its directory if there is one.
const beginProject = `
name=$0; dir=${1:-/srv/$name}; mkdir -p /srv/$name/www /srv/$name/state; cd /srv/$name
cat >compose.yaml; echo WHO=me >.env; chmod 600 .env; echo hello >www/index.html; chown 999:999 state
docker compose --project-directory $dir create --quiet-pull
for v in $(docker volume ls --quiet --filter label=com.docker.compose.project=$name); do docker run --rm -v $v:/v bb sh -c 'chown 999:999 /v && chmod 700 /v && ln -s log /v/link'; done
docker compose --project-directory $dir up --detach
for n in $(seq 100); do docker compose --project-directory $dir ps --format '{{.Health}}' | grep -q healthy && exit; sleep 0.2; done; exit 1`

// aDocker is the Docker of a rootfs as the host's own, with a client that root has in its PATH, and an image.
func aDocker(t *testing.T, h *host.Host) {
	t.Helper()
	image := filepath.Join(h.Dir, "image.tar")
	if out, err := exec.Command("bash", "../scripts/testdata/image.sh", image).CombinedOutput(); err != nil {
		t.Fatalf("cannot make an image: %v\n%s", err, out)
	}
	h.Must(t, "sh", "-ec", `cat >/usr/local/sbin/docker <<'END'
#!/bin/sh
exec nsenter --mount --target "$(systemctl show -P MainPID docker-of-the-host)" env DOCKER_HOST=unix:///run/of-the-host.sock docker "$@"
END
chmod 755 /usr/local/sbin/docker; mkdir -p /srv /run/old
mount -t tmpfs docker /run/old; mkdir /run/old/upper /run/old/work /run/old/root
mount -t overlay -o lowerdir=$(ls -d /var/lib/forkgate/pool/rootfs/* | head -n 1),upperdir=/run/old/upper,workdir=/run/old/work docker /run/old/root
systemd-run --quiet --unit=docker-of-the-host -p RootDirectory=/run/old/root -p MountAPIVFS=no -p BindPaths="/proc /sys /dev /run /srv" dockerd --log-level=error --storage-driver=vfs -H unix:///run/of-the-host.sock
`+answersDocker)
	h.Must(t, "sh", "-ec", "docker import - bb <"+image+" >/dev/null; docker version --format '{{.Server.Version}}'")
}

// A project that runs on the host is a repository afterwards: its volumes with their owners, its directory, its images. It is started there by
// itself, and forks of it have all of it.
func TestAdopt(t *testing.T) {
	t.Parallel()
	h := host.Start(t, host.Options{People: []string{"alice"}, Agents: []string{"bot"}})
	aDocker(t, h)
	h.Must(t, "sh", "-ec", "mkdir -p /srv/by-link; ln -s ../shop /srv/by-link/shop")
	begin := h.Command(t.Context(), "sh", "-ec", beginProject, "shop", "/srv/by-link/shop")
	begin.Stdin = strings.NewReader(shopProject)
	if out, err := begin.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if got := h.Must(t, "docker", "inspect", "--format", `{{index .Config.Labels "com.docker.compose.project.working_dir"}}`, "shop-db-1"); got != "/srv/by-link/shop" {
		t.Errorf("Compose has noted down %q: this does not show that a link is followed", got)
	}
	first := h.Must(t, "docker", "exec", "shop-db-1", "head", "-n", "1", "/var/lib/db/log")
	if plan := h.Must(t, "forkgate", "repo", "adopt", "/srv/shop", "--plan"); !strings.Contains(plan, `publish   = ["8080:8080/tcp"]`) || !strings.Contains(plan, "3 containers, 1 image, 1 volume") {
		t.Errorf("the plan is\n%s", plan)
	}
	t.Log(h.Must(t, "sh", "-ec", "forkgate repo adopt /srv/shop 2>&1"))

	inRepo := func(script string) string {
		t.Helper()
		return h.Must(t, "forkgate", "repo", "run", "shop", "--", "sh", "-ec", script)
	}
	for _, c := range []struct{ script, want string }{
		{"docker exec shop-db-1 head -n 1 /var/lib/db/log", first},
		{"docker exec shop-db-1 stat -c '%u:%g %a' /var/lib/db /var/lib/db/log", "999:999 700\n999:999 644"},
		{"docker exec shop-db-1 readlink /var/lib/db/link", "log"},
		{"docker exec shop-db-1 stat -c '%u' /state /state/copy", "999\n999"},
		{"docker exec shop-web-1 sh -c 'wget -qO- 127.0.0.1; echo $WHO'", "hello\nme"},
		{"stat -c '%u %a' www/index.html .env compose.yaml Rediaccfile", "7111 644\n7111 600\n7111 644\n7111 644"},
		{"a=$(docker exec shop-db-1 wc -l /var/lib/db/log); sleep 1; [ \"$a\" != \"$(docker exec shop-db-1 wc -l /var/lib/db/log)\" ] && echo writes", "writes"},
		{"docker compose ps --all --format '{{.Service}} {{.State}} {{.ExitCode}}' | sort", "db running 0\nonce exited 0\nweb running 0"},
		{"docker volume ls --quiet", "shop_dbdata"},
		{"ls -A", ".env\nRediaccfile\ncompose.yaml\nstate\nwww"},
	} {
		if got := inRepo(c.script); got != c.want {
			t.Errorf("%s: %q, want %q", c.script, got, c.want)
		}
	}
	if got := h.Must(t, "docker", "inspect", "--format", "{{.State.Status}} {{.HostConfig.RestartPolicy.Name}}", "shop-db-1", "shop-web-1"); got != "exited no\nexited no" {
		t.Errorf("what it was is %q", got)
	}
	if got := h.Must(t, "forkgate", "health", "shop"); got != "" {
		t.Errorf("health says %q", got)
	}

	// What the operator runs ends with its own exit code, and with what it left behind; nobody waits for what nobody takes.
	for _, c := range []struct {
		script string
		code   int
		want   string
	}{
		{"forkgate repo run shop -- sh -c 'sleep 300 & echo hi; exit 7'", 7, "hi\n"},
		{"seq 300000 | forkgate repo run shop -- sha256sum | cut -c1-8", 0, "HASH"},
		{"timeout 60 forkgate repo run shop -- sh -c 'seq 3000000' >/dev/full", 1, ""},
		{"timeout 60 forkgate repo run shop -- seq 3 >/dev/full", 1, ""},
		{"forkgate repo run shop -- sh -c 'kill -STOP $$; true' & sleep 1; kill $!; wait $!", 1, ""},
	} {
		r := h.Run(t.Context(), t, "sh", "-c", c.script)
		if want := strings.ReplaceAll(c.want, "HASH", h.Must(t, "sh", "-c", "seq 300000 | sha256sum | cut -c1-8")+"\n"); r.Code != c.code || r.Stdout != want {
			t.Errorf("%s: exit code %d\n%s%s", c.script, r.Code, r.Stdout, r.Stderr)
		}
	}

	// Its pod starts it by itself.
	h.Must(t, "sh", "-ec", `systemctl stop forkgate-pod@$(forkgate show shop --json | sed -n 's/.*"guid": "\([^"]*\)".*/\1/p')`)
	asks := func(where, command, want string) {
		t.Helper()
		out, err := h.SSH(t.Context(), where, command).CombinedOutput()
		if err != nil || !strings.HasSuffix(string(out), want) {
			t.Errorf("%s, %s: %v, %s", where, command, err, out)
		}
	}
	asks("shop@alice", "docker exec shop-web-1 wget -qO- 127.0.0.1", "hello\n")
	asks("shop+try@bot", "docker compose up --detach --quiet-pull >/dev/null 2>&1 && docker exec shop-db-1 head -n 1 /var/lib/db/log", first+"\n")

	// What cannot be adopted is told of before anything stops.
	refuses := func(want string, args ...string) {
		t.Helper()
		r := h.Run(t.Context(), t, append([]string{"forkgate", "repo", "adopt"}, args...)...)
		if r.Code == 0 || !strings.Contains(r.Stderr, want) {
			t.Errorf("%v: exit code %d\n%s%s", args, r.Code, r.Stdout, r.Stderr)
		}
	}
	refuses("no containers of a project", "/srv")
	refuses("there is a repository shop already", "/srv/shop")
	refuses("is exited, exit code ", "/srv/shop", "--name", "other")
}

// A project that does not become well in the repository runs again where it was, and nothing is left of the repository.
func TestAdoptionIsTakenBack(t *testing.T) {
	t.Parallel()
	h := host.Start(t, host.Options{})
	aDocker(t, h)
	const frail = `
services:
  slow:
    image: bb
    command: ["sh", "-c", "trap 'TRAP' TERM; echo kept >>/v/file; sleep SECONDS; touch /tmp/well; while :; do sleep 0.2; done"]
    volumes: ["kept:/v"VOLUMES]
    restart: always
    healthcheck: {test: ["CMD", "test", "-e", "/tmp/well"], interval: 1s, retries: 20}
volumes: {kept: {}}
`
	for _, c := range []struct{ name, seconds, more, adopt, want string }{
		{"frail", "6", "", "forkgate repo adopt --patience=2s", "does not become as well as it was within 2s: before, slow is running and healthy; now, slow is running and starting"},
		{"early", "0", "", "timeout --preserve-status --signal=INT 2 forkgate repo adopt", "interrupt signal received"},
		{"ended", "6", "", "timeout --preserve-status --signal=INT 4 forkgate repo adopt", "interrupt signal received"},
		{"absolute", "0", `, "/srv/absolute/www:/www"`, "forkgate repo adopt", "the service slow has /srv/absolute/www by that very path"},
		{"outside", "0", `, "/etc/systemd:/www"`, "forkgate repo adopt", "has /etc/systemd of the host at /www"},
		{"unnamed", "0", `, "/data"`, "forkgate repo adopt", "in a volume without a name"},
	} {
		begin := h.Command(t.Context(), "sh", "-ec", beginProject, c.name)
		begin.Stdin = strings.NewReader(strings.NewReplacer("VOLUMES", c.more, "SECONDS", c.seconds, "TRAP", map[bool]string{true: "sleep 4; exit", false: "exit"}[c.name == "early"]).Replace(frail))
		if out, err := begin.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", c.name, err, out)
		}
		if c.name == "unnamed" {
			h.Must(t, "docker", "exec", "unnamed-slow-1", "touch", "/data/x")
		}
		r := h.Run(t.Context(), t, strings.Fields(c.adopt+" /srv/"+c.name)...)
		if r.Code == 0 || !strings.Contains(r.Stderr, c.want) {
			t.Errorf("%s: exit code %d\n%s%s", c.name, r.Code, r.Stdout, r.Stderr)
		}
		if got := h.Must(t, "forkgate", "repo", "list"); strings.Contains(got, c.name) {
			t.Errorf("%s: left is\n%s", c.name, got)
		}
		if got := h.Must(t, "sh", "-ec", `docker inspect --format '{{.State.Status}} {{.HostConfig.RestartPolicy.Name}}' $0-slow-1; docker exec $0-slow-1 head -n 1 /v/file`, c.name); got != "running always\nkept" {
			t.Errorf("%s: it is %q", c.name, got)
		}
		h.Must(t, "docker", "rm", "-f", c.name+"-slow-1")
	}
}
