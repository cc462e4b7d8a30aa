package bench

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"forkgate/tests/host"
)

const (
	rounds    = 15
	crowdSize = 64
	people    = 8 // a principal has at most 16 requests open
)

// TestMain lets the test binary be the driver as well.
func TestMain(m *testing.M) {
	if text := os.Getenv("BENCH_PLAN"); text != "" {
		if err := drive(text); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// BenchmarkAgainstRivals prints one table.
func BenchmarkAgainstRivals(b *testing.B) {
	b.StopTimer()
	var names []string
	for n := range people {
		names = append(names, fmt.Sprintf("person%d", n))
	}
	h := host.Start(b, host.Options{People: names, Agents: []string{"bot"}})
	h.Repo(b, "demo", "/etc/systemd")
	address := startSSHD(b, h, names[0])
	p := plan{Config: writeConfig(b, h, address, names[0]), Rounds: rounds}
	for n := range crowdSize {
		key := filepath.Join(h.Dir, names[n%people])
		p.Ours = append(p.Ours, member{host.Address + ":" + host.Port, "demo", key})
		p.Rivals = append(p.Rivals, member{address, "rival", filepath.Join(h.Dir, names[0])})
	}
	run := func(kind string) []round {
		p.Kind = kind
		return driven(b, h, p)
	}
	run("logins") // the first starts the pod and warms both up
	all := []comparison{
		{what: "ssh host true, pod running", rival: "sshd", limit: "at most 0.20", rounds: run("logins")},
		{what: "ssh host true, pod running", rival: "a server that runs bash", limit: "for comparison", rounds: run("floor")},
		{what: "ssh host true, fork made for it", rival: "sshd", limit: "at most 0.70", rounds: newForks(b, h, p)},
		{what: fmt.Sprintf("%d logins at once", crowdSize), rival: "sshd", limit: "at least 4.0", rounds: run("crowd"), rate: crowdSize},
	}
	all = append(all, snapshots(b, h)...)
	fmt.Printf("\nmedians of %d interleaved rounds; the ratio is the median of the rounds' ratios\n%s\n", rounds, table(all))
	for _, c := range all {
		b.ReportMetric(c.ratio(), strings.ReplaceAll(strings.ReplaceAll(c.what+" to "+c.rival, ",", ""), " ", "-")+"/ratio")
	}
}

// driven has a driver in the host's network carry the plan out.
func driven(b *testing.B, h *host.Host, p plan) (rounds []round) {
	b.Helper()
	drivenTo(b, h, p, &rounds)
	return rounds
}

// drivenAll is driven for a plan that measures several things.
func drivenAll(b *testing.B, h *host.Host, p plan) (rounds [][]round) {
	b.Helper()
	drivenTo(b, h, p, &rounds)
	return rounds
}

func drivenTo(b *testing.B, h *host.Host, p plan, rounds any) {
	b.Helper()
	text, err := json.Marshal(p)
	if err != nil {
		b.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	driver := h.Client(b.Context(), self)
	driver.Env = append(driver.Env, "BENCH_PLAN="+string(text))
	driver.Stderr = os.Stderr
	out, err := driver.Output()
	if err != nil {
		b.Fatalf("%s: %v\n%s", p.Kind, err, h.Journal(b))
	}
	if err := json.Unmarshal(out, rounds); err != nil {
		b.Fatal(err)
	}
}

// newForks measures round by round, because a principal may have eight forks at most: each is removed before the next.
func newForks(b *testing.B, h *host.Host, p plan) []round {
	b.Helper()
	p.Kind, p.Rounds = "forks", 1
	var all []round
	for range rounds {
		all = append(all, driven(b, h, p)...)
		h.Must(b, "forkgate", "rm", "demo:new0")
		time.Sleep(time.Second) // what it was made of is made again
	}
	return all
}

// startSSHD runs Debian's sshd on the host, with an account whose home is empty, and returns its address.
func startSSHD(b *testing.B, h *host.Host, key string) string {
	b.Helper()
	const port = "2200"
	h.Must(b, "bash", "-ec", fmt.Sprintf(`
		useradd --create-home --skel /nonexistent --shell /bin/bash --password '*' rival
		install -D -m 600 -o rival %[1]s/%[2]s.pub /etc/ssh/rival_keys
		mkdir -p /run/sshd
		ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/rival_host
		cat >/etc/ssh/rival_config <<-END
			Port %[3]s
			ListenAddress 127.0.0.1
			HostKey /etc/ssh/rival_host
			AuthorizedKeysFile /etc/ssh/rival_keys
			StrictModes no
			UsePAM no
			UseDNS no
			PrintMotd no
			PrintLastLog no
			MaxStartups 200
			Subsystem sftp /usr/lib/openssh/sftp-server
			PidFile none
		END
		systemd-run --quiet --unit=rival /usr/sbin/sshd -D -f /etc/ssh/rival_config
		for try in $(seq 100); do if (: </dev/tcp/127.0.0.1/%[3]s) 2>/dev/null; then exit 0; fi; sleep 0.05; done
		exit 1`, h.Dir, key, port))
	return "127.0.0.1:" + port
}

func port(address string) string { return address[strings.LastIndex(address, ":")+1:] }

func writeConfig(b *testing.B, h *host.Host, address, key string) string {
	b.Helper()
	config := fmt.Sprintf(`Host gate
  Port %s
Host sshd
  Port %s
  User rival
Host *
  HostName 127.0.0.1
  IdentityFile %s/%s
  IdentitiesOnly yes
  IdentityAgent none
  KexAlgorithms curve25519-sha256
  Ciphers aes128-gcm@openssh.com
  HostKeyAlgorithms ssh-ed25519
  StrictHostKeyChecking no
  UserKnownHostsFile /dev/null
  GlobalKnownHostsFile /dev/null
  LogLevel ERROR
`, host.Port, port(address), h.Dir, key)
	file := filepath.Join(h.Dir, "bench_config")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		b.Fatal(err)
	}
	return file
}
