package bench

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"forkgate/gate/provenance/attestor"
	"forkgate/tests/host"
	"forkgate/tests/need"
)

// BenchmarkCertificate measures what a certificate adds to a login: the same principal in the same fork, by an ordinary key and by the
// word of the attestor that runs beside the client. That it calls the driver nobody's makes no difference: it looks at all processes up
// to the first.
func BenchmarkCertificate(b *testing.B) {
	b.StopTimer()
	h := host.Start(b, host.Options{Agents: []string{"bot"}})
	h.Repo(b, "demo", "/etc/systemd")
	socket := startAttestor(b, h, b.TempDir())
	config, err := os.ReadFile(writeConfig(b, h, host.Address+":"+host.Port, "bot"))
	must(b, err)
	hosts := fmt.Sprintf("Host plain attested\n  Port %s\nHost attested\n  IdentityAgent %s\n  IdentitiesOnly no\n", host.Port, socket)
	p := plan{Kind: "attested", Rounds: rounds, Config: filepath.Join(h.Dir, "attested_config")}
	must(b, os.WriteFile(p.Config, []byte(hosts+string(config)), 0o600))
	driven(b, h, p) // makes the fork, and warms both up
	p.Rounds *= 3   // the difference is small
	c := comparison{what: "ssh host true, with a certificate", rival: "with a key", limit: "at most 1.30", rounds: driven(b, h, p)}
	if n := h.Must(b, "grep", "-c", `"class":3`, "/var/lib/forkgate/audit/audit.jsonl"); n == "0" {
		b.Fatal("no login came with a certificate")
	}
	fmt.Printf("\nmedians of %d interleaved rounds; the ratio is the median of the rounds' ratios\n%s\n", p.Rounds, table([]comparison{c}))
	b.ReportMetric(c.ratio(), "with-a-certificate/ratio")
}

// startAttestor enrols this machine, where root is the principal bot, and runs the daemon until the end.
func startAttestor(b *testing.B, h *host.Host, dir string) (socket string) {
	b.Helper()
	program, key := filepath.Join(dir, "forkgate-attest"), filepath.Join(dir, "key")
	build := exec.Command("go", "build", "-o", program, "forkgate/cmd/forkgate-attest")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	if err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	block, err := exec.Command(program, "init", "--key", key, "--name", "bench", "--principal", "0=bot").Output()
	must(b, err)
	must(b, os.WriteFile(filepath.Join(h.Root(), "etc/forkgate/policy.d/bench.hcl"), block, 0o644))
	h.Must(b, "sh", "-ec", "forkgate policy check; systemctl reload forkgate-warden")
	hostKey := h.Must(b, "sh", "-c", "cat /var/lib/forkgate/hostkeys/*ed25519*.pub")
	config := filepath.Join(dir, "attest.hcl")
	text := fmt.Sprintf("agents = %q\ngate \"bench\" {\n  patterns = [\"attested\"]\n  host_keys = [%q]\n  principals = { \"0\" = \"bot\" }\n}\n",
		filepath.Join(need.Checkout(b), "policy.d", "agents.hcl"), strings.TrimSpace(hostKey))
	must(b, os.WriteFile(config, []byte(text), 0o644))
	socket = filepath.Join(dir, "attest.sock")
	daemon := exec.Command(program, "run", "--config", config, "--key", key, "--socket", socket)
	must(b, daemon.Start())
	b.Cleanup(func() { _ = daemon.Process.Signal(os.Interrupt); _ = daemon.Wait() })
	for range 200 {
		if _, err := attestor.Whoami(b.Context(), socket); err == nil {
			return socket
		}
		time.Sleep(50 * time.Millisecond)
	}
	b.Fatal("the attestor does not answer")
	return ""
}

func must(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// certified times one login by a certificate and one by a key.
func (p plan) certified() (r round, err error) {
	if r.Rival, err = p.login("demo+bench@plain"); err != nil {
		return r, err
	}
	r.Ours, err = p.login("demo+bench@attested")
	return r, err
}
