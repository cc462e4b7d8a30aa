package bench

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"forkgate/tests/host"
	"forkgate/tests/machine"
)

// rivalDaemon starts the same dockerd as host root, in a chroot of the same rootfs, and prints the nanoseconds until it answers.
const rivalDaemon = `
root=/mnt/rival pool=/var/lib/forkgate/pool
[ -d $pool/rival ] || btrfs -q subvolume snapshot $pool/rootfs/* $pool/rival
mkdir -p $root; mount --bind $pool/rival $root; mount -o remount,bind,exec,suid,dev $root
rm -rf $root/var/lib/docker/*
mount -t proc proc $root/proc; mount -t sysfs sysfs $root/sys; mount -t cgroup2 cgroup2 $root/sys/fs/cgroup
mount -t tmpfs tmpfs $root/run; mount -t tmpfs tmpfs $root/tmp; mount --rbind /dev $root/dev
printf '127.0.0.1 localhost %s\n' $(hostname) >/tmp/hosts; mount --bind /tmp/hosts $root/etc/hosts
ip link set lo up
begin=$(date +%s%N)
chroot $root dockerd --storage-driver=overlay2 -H unix:///run/rival.sock >/tmp/rival.log 2>&1 &
until chroot $root docker -H unix:///run/rival.sock version >/dev/null 2>&1; do kill -0 $! || { cat /tmp/rival.log >&2; exit 1; }; sleep 0.005; done
echo $(($(date +%s%N) - begin))`

// BenchmarkDocker asks the daemon of a fork that is made for the question, and one that host root starts.
func BenchmarkDocker(b *testing.B) {
	b.StopTimer()
	h := host.Start(b, host.Options{Agents: []string{"bot"}})
	h.Repo(b, "demo", "/etc/systemd")
	c := comparison{what: "docker version, fork made for it", rival: "dockerd as host root", limit: "at most 1.50"}
	for n := range 7 {
		text := h.Must(b, "unshare", "--mount", "--pid", "--net", "--ipc", "--fork", "--kill-child", "--mount-proc", "bash", "-ec", rivalDaemon)
		rival, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		fork := fmt.Sprintf("cold%d", n)
		start := time.Now()
		r := machine.RunCommand(b, h.SSH(b.Context(), "demo+"+fork+"@bot", "docker version -f {{.Server.Os}}"))
		took := time.Since(start)
		if r.Code != 0 || r.Stdout != "linux\n" {
			b.Fatalf("docker version: %d %s%s", r.Code, r.Stdout, r.Stderr)
		}
		c.rounds = append(c.rounds, round{Ours: took, Rival: time.Duration(rival)})
		h.Must(b, "forkgate", "rm", "demo:"+fork)
	}
	fmt.Printf("\nmedians of %d interleaved rounds; the ratio is the median of the rounds' ratios\n%s\n", len(c.rounds), c)
	b.ReportMetric(c.ratio(), "docker-version/ratio")
}

// The fleet: this many forks of one repository at once, of which the first have a running container.
const fleetSize, withContainer = 50, 10

// BenchmarkFleet makes a fleet under a parent that writes, and says what it took.
func BenchmarkFleet(b *testing.B) {
	b.StopTimer()
	h := host.Start(b, host.Options{Agents: []string{"bot"}, People: []string{"alice"}})
	h.Must(b, "sh", "-ec", `printf 'pods {\n  forks_per_principal = 64\n}\n' >/etc/forkgate/policy.d/bench.hcl; systemctl reload forkgate-warden`)
	h.Repo(b, "demo", "/etc/systemd")
	image := filepath.Join(b.TempDir(), "image.tar")
	if out, err := exec.Command("bash", "../scripts/testdata/image.sh", image).CombinedOutput(); err != nil {
		b.Fatalf("cannot make an image: %v\n%s", err, out)
	}
	load := h.SSH(b.Context(), "demo@alice", "docker import - bb")
	load.Stdin = open(b, image)
	if out, err := load.CombinedOutput(); err != nil {
		b.Fatalf("docker import: %v\n%s", err, out)
	}
	quiet := stall(b, h, func() { time.Sleep(5 * time.Second) })
	var took time.Duration
	sessions, leave := context.WithCancel(b.Context())
	defer leave()
	loaded := stall(b, h, func() { took = fleet(sessions, b, h) })
	units := h.Must(b, "bash", "-ec", `for pod in /sys/fs/cgroup{/memory,}/forkgate.slice/forkgate-pod@*; do
		for file in memory.usage_in_bytes memory.current; do [ ! -e $pod/$file ] || cat $pod/$file; done; done | sort -n`)
	var memory []float64
	for _, line := range strings.Fields(units) {
		bytes, err := strconv.ParseFloat(line, 64)
		if err != nil {
			b.Fatal(err)
		}
		memory = append(memory, bytes/(1<<20))
	}
	fmt.Printf("\n%d forks at once, each with a session, %d with a running container: %.1f s\n"+
		"memory of a pod: %.1f MiB in the middle, %.1f MiB at most\n"+
		"the parent's longest write and fsync: %.0f ms, without forks beside it %.0f ms\n\n",
		fleetSize, withContainer, took.Seconds(), median(memory), memory[len(memory)-1], 1000*loaded, 1000*quiet)
	b.ReportMetric(took.Seconds(), "fleet/s")
	b.ReportMetric(median(memory), "pod/MiB")
	b.ReportMetric(loaded/quiet, "stall/ratio")
}

// fleet makes the forks, as many at once as the gate lets log in from one address, and holds a session in each until ctx ends.
func fleet(ctx context.Context, b *testing.B, h *host.Host) time.Duration {
	b.Helper()
	places := make(chan struct{}, 8)
	var all sync.WaitGroup
	start := time.Now()
	for n := range fleetSize {
		all.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			command := "echo in; exec sleep 1000"
			if n < withContainer {
				command = "docker run -d bb sleep 1000 >/dev/null && " + command
			}
			session := h.SSH(ctx, fmt.Sprintf("demo+f%d@bot", n), command)
			session.Stderr = os.Stderr
			out, err := session.StdoutPipe()
			if err == nil {
				err = session.Start()
			}
			if err != nil {
				b.Error(err)
				return
			}
			b.Cleanup(func() { _ = session.Wait() })
			if line, err := bufio.NewReader(out).ReadString('\n'); line != "in\n" {
				b.Errorf("fork %d: %q, %v", n, line, err)
			}
		})
	}
	all.Wait()
	return time.Since(start)
}

// stall has a program in production write and fsync all the while, and returns how long its longest write took, in seconds.
func stall(b *testing.B, h *host.Host, while func()) float64 {
	b.Helper()
	writer := h.SSH(b.Context(), "demo@alice", "rm -f stop; python3 -u -")
	writer.Stdin = strings.NewReader(`
import os, time
f, longest = open("written", "ab"), 0
while not os.path.exists("stop"):
    begin = time.monotonic(); f.write(b"x" * 4096); f.flush(); os.fsync(f.fileno())
    longest = max(longest, time.monotonic() - begin); time.sleep(0.01)
print(longest)
`)
	var out bytes.Buffer
	writer.Stdout, writer.Stderr = &out, os.Stderr
	if err := writer.Start(); err != nil {
		b.Fatal(err)
	}
	time.Sleep(time.Second)
	while()
	machine.RunCommand(b, h.SSH(b.Context(), "demo@alice", "touch stop"))
	if err := writer.Wait(); err != nil {
		b.Fatalf("the writer: %v", err)
	}
	longest, err := strconv.ParseFloat(strings.TrimSpace(out.String()), 64)
	if err != nil {
		b.Fatal(err)
	}
	return longest
}

func open(b *testing.B, path string) *os.File {
	b.Helper()
	f, err := os.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { f.Close() })
	return f
}
