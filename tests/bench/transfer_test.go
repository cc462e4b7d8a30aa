package bench

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"forkgate/tests/host"
)

const (
	transferRounds = 12
	// smallRounds are more: small files are a question and an answer after the other through four processes, and go twice as fast or half, for
	// both sides, as the kernel happens to place those on the processors for as long as one client lives.
	smallRounds = 18
	streamMB    = 2048
	fileMB      = 1024
	smallFiles  = 10_000
)

// transfer is something that is carried, by stock clients, once to us and once to sshd.
type transfer struct {
	Name  string
	MB    float64 // or files, where that is what counts
	Limit string
	// Argv is what runs: CONFIG and HOST are put in. Clean runs at the host afterwards, by ssh, and is not counted.
	Argv  []string
	Clean string
}

// transfers are those of the table: what the two sides keep lies in memory (/dev/shm), as disks are not what is compared.
func transfers(dir string, put, get, up, down string) []transfer {
	const big = "/dev/shm/big"
	ssh := []string{"ssh", "-F", "CONFIG", "HOST"}
	sftp := func(batch string) []string {
		return []string{"sh", "-ec", fmt.Sprintf("printf %q | exec sftp -q -F CONFIG -b - HOST >/dev/null", batch)}
	}
	return []transfer{
		{"cat of 2 GB up", streamMB, up, []string{"sh", "-ec", "exec ssh -F CONFIG HOST 'cat >/dev/null' <" + filepath.Join(dir, "stream")}, ""},
		{"cat of 2 GB down", streamMB, down, append(slices.Clone(ssh), fmt.Sprintf("head -c %d /dev/zero", streamMB<<20)), ""},
		{"sftp put of 1 GB", fileMB, put, sftp("put " + filepath.Join(dir, "file") + " " + big + "\\n"), ""},
		{"sftp get of 1 GB", fileMB, get, sftp("get " + big + " " + filepath.Join(dir, "got") + "\\n"), "rm " + big},
		{"scp of 1 GB there", fileMB, put, []string{"scp", "-q", "-F", "CONFIG", filepath.Join(dir, "file"), "HOST:" + big}, ""},
		{"scp of 1 GB back", fileMB, get, []string{"scp", "-q", "-F", "CONFIG", "HOST:" + big, filepath.Join(dir, "got")}, "rm " + big},
	}
}

func smallTransfers(dir, put, get string) []transfer {
	const many = "/dev/shm/many"
	small := filepath.Join(dir, "many")
	return []transfer{
		{"scp of 10,000 small files there", smallFiles, put, []string{"scp", "-q", "-r", "-F", "CONFIG", small, "HOST:" + many}, ""},
		{"scp of 10,000 small files back", smallFiles, get, []string{"sh", "-ec", "rm -rf " + small + ".got; exec scp -q -r -F CONFIG HOST:" + many + " " + small + ".got"}, "rm -r " + many},
	}
}

// BenchmarkTransfers prints how fast bytes go, beside sshd: with what each side and a stock client agree on, and with the same cipher.
func BenchmarkTransfers(b *testing.B) {
	b.StopTimer()
	h := host.Start(b, host.Options{People: []string{"person"}})
	h.Repo(b, "demo", "/etc/systemd")
	same := writeConfig(b, h, startSSHD(b, h, "person"), "person")
	text, err := os.ReadFile(same)
	must(b, err)
	defaults := filepath.Join(h.Dir, "default_config")
	must(b, os.WriteFile(defaults, []byte(strings.NewReplacer("  KexAlgorithms curve25519-sha256\n", "", "  Ciphers aes128-gcm@openssh.com\n", "").Replace(string(text))), 0o600))
	dir := filepath.Join("/dev/shm", filepath.Base(h.Dir))
	must(b, os.Mkdir(dir, 0o755))
	b.Cleanup(func() { os.RemoveAll(dir) })
	for name, size := range map[string]int64{"stream": streamMB << 20, "file": fileMB << 20} {
		must(b, os.WriteFile(filepath.Join(dir, name), nil, 0o644))
		must(b, os.Truncate(filepath.Join(dir, name), size))
	}
	must(b, os.Mkdir(filepath.Join(dir, "many"), 0o755))
	for n := range smallFiles {
		must(b, os.WriteFile(filepath.Join(dir, "many", fmt.Sprint(n)), []byte("a small file\n"), 0o644))
	}
	var all []comparison
	for _, kind := range []struct {
		name, config string
		rounds       int
		transfers    []transfer
	}{
		{"as agreed on", defaults, transferRounds, transfers(dir, "at least 1.0", "at least 0.9", "at least 1.1", "at least 1.3")},
		{"same cipher", same, transferRounds, transfers(dir, "at least 1.0", "at least 0.9", "at least 0.95", "at least 1.1")},
		{"as agreed on", defaults, smallRounds, smallTransfers(dir, "at least 1.0", "at least 0.9")},
		{"same cipher", same, smallRounds, smallTransfers(dir, "at least 1.0", "at least 0.9")},
	} {
		p := plan{Kind: "transfers", Config: kind.config, Rounds: kind.rounds, Transfers: kind.transfers}
		for i, rounds := range drivenAll(b, h, p) {
			t := kind.transfers[i]
			c := comparison{what: t.Name + ", " + kind.name, rival: "sshd", limit: t.Limit, rounds: rounds, rate: t.MB}
			all = append(all, c)
			b.ReportMetric(c.ratio(), strings.NewReplacer(" ", "-", ",", "").Replace(c.what)+"/ratio")
		}
	}
	fmt.Printf("\nmedians of %d interleaved rounds (%d for small files), in MB or files a second; the ratio is the median of the rounds' ratios\n%s\n",
		transferRounds, smallRounds, table(all))
}

// carryAll measures all transfers, round by round, and returns the rounds of each. Each side is first in every other round: what comes second gets
// memory that has lain idle for longer, which a virtual machine may have to ask its host for.
func (p plan) carryAll() ([][]round, error) {
	all := make([][]round, len(p.Transfers))
	for n := range p.Rounds {
		for i, t := range p.Transfers {
			var r round
			sides := []struct {
				to   string
				took *time.Duration
			}{{"sshd", &r.Rival}, {"demo+carry@gate", &r.Ours}}
			if n%2 == 1 {
				slices.Reverse(sides)
			}
			for _, side := range sides {
				var err error
				if *side.took, err = p.carry(t, side.to); err != nil {
					return nil, fmt.Errorf("%s: %w", t.Name, err)
				}
			}
			all[i] = append(all[i], r)
		}
	}
	return all, nil
}

// carry times one transfer.
func (p plan) carry(t transfer, to string) (time.Duration, error) {
	argv := slices.Clone(t.Argv)
	for i := range argv {
		argv[i] = strings.NewReplacer("CONFIG", p.Config, "HOST", to).Replace(argv[i])
	}
	client := exec.Command(argv[0], argv[1:]...)
	var said strings.Builder
	client.Stderr = &said
	start := time.Now()
	err := client.Run()
	took := time.Since(start)
	if err == nil && t.Clean != "" {
		err = exec.Command("ssh", "-F", p.Config, to, t.Clean).Run()
	}
	if err != nil {
		return 0, fmt.Errorf("%s: %w: %s", to, err, said.String())
	}
	return took, nil
}
