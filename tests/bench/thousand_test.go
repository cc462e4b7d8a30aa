package bench

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"forkgate/tests/host"
)

const (
	idlers    = 500  // whose memory is measured
	thousand  = 1000 // connections at once
	arriving  = 16   // that log in at the same time
	busy      = 64   // of the thousand
	questions = 200  // that each of these asks, of 1 KiB
)

// thousandPolicy lets one principal have as many connections as it takes.
const thousandPolicy = `
connections {
  principal = 4096
}
`

// BenchmarkThousand holds a thousand connections at us and at sshd, each with a session, and has 64 of them talk; it prints what their answers took, what 500
// idle ones hold of memory, and fails if one is lost, or gets what is not its own.
func BenchmarkThousand(b *testing.B) {
	b.StopTimer()
	var names []string
	for n := range people {
		names = append(names, fmt.Sprintf("person%d", n))
	}
	h := host.Start(b, host.Options{People: names})
	h.Repo(b, "demo", "/etc/systemd")
	must(b, os.WriteFile(filepath.Join(h.Root(), "etc/forkgate/policy.d/thousand.hcl"), []byte(thousandPolicy), 0o644))
	h.Must(b, "systemctl", "reload", "forkgate-warden")
	address := startSSHD(b, h, names[0])
	var ours, theirs []member
	for n := range thousand {
		ours = append(ours, member{host.Address + ":" + host.Port, fmt.Sprintf("demo+of%d", n%people), filepath.Join(h.Dir, names[n%people])})
		theirs = append(theirs, member{address, "rival", filepath.Join(h.Dir, names[0])})
	}
	memory := map[string]float64{}
	answers := map[string]holdResult{}
	for _, side := range []struct {
		name, comm string
		all        []member
	}{{"forkgate", "forkgate", ours}, {"sshd", "sshd", theirs}} {
		before := resident(b, h, side.comm)
		held(b, h, side.all[:idlers], func() { memory[side.name] = resident(b, h, side.comm) - before })
		answers[side.name] = held(b, h, side.all, func() {})
		fmt.Printf("%s: %d idle sessions hold %.1f MiB; of %d, %d talk: median %.2f ms, p99 %.2f ms\n",
			side.name, idlers, memory[side.name], thousand, busy, answers[side.name].Median, answers[side.name].P99)
	}
	fmt.Printf("memory %.3f of sshd's (at most 0.15); p99 %.2f of sshd's\n\n", memory["forkgate"]/memory["sshd"], answers["forkgate"].P99/answers["sshd"].P99)
	b.ReportMetric(memory["forkgate"]/memory["sshd"], "memory/ratio")
	b.ReportMetric(answers["forkgate"].P99/answers["sshd"].P99, "p99/ratio")
}

// resident is what the processes of that name have of memory, in MiB: what several share counts once among them (Pss of proc_pid_smaps(5)).
func resident(b *testing.B, h *host.Host, comm string) float64 {
	b.Helper()
	sum := h.Must(b, "sh", "-c", fmt.Sprintf(`for p in $(pgrep -x %s); do sed -n 's/^Pss: *\([0-9]*\) kB/\1/p' /proc/$p/smaps_rollup 2>/dev/null; done | awk '{s += $1} END {print s / 1024}'`, comm))
	mib, err := strconv.ParseFloat(sum, 64)
	must(b, err)
	return mib
}

// holdResult is what the answers took, in ms.
type holdResult struct{ Median, P99 float64 }

// held has a driver hold connections, calls meanwhile once all are there, and then has some of them talk.
func held(b *testing.B, h *host.Host, all []member, meanwhile func()) (result holdResult) {
	b.Helper()
	text, err := json.Marshal(plan{Kind: "hold", Ours: all})
	must(b, err)
	self, err := os.Executable()
	must(b, err)
	driver := h.Client(b.Context(), self)
	driver.Env = append(driver.Env, "BENCH_PLAN="+string(text))
	driver.Stderr = os.Stderr
	in, err := driver.StdinPipe()
	must(b, err)
	out, err := driver.StdoutPipe()
	must(b, err)
	must(b, driver.Start())
	said := bufio.NewReader(out)
	if line, err := said.ReadString('\n'); err != nil {
		b.Fatalf("%d connections: %q, %v\n%s", len(all), line, err, errors.Join(driver.Wait()))
	}
	meanwhile()
	must(b, in.Close())
	err = json.NewDecoder(said).Decode(&result)
	must(b, errors.Join(err, driver.Wait()))
	return result
}

// hold is the driver's part.
func (p plan) hold() error {
	talkers, err := arrive(p.Ours)
	if err != nil {
		return err
	}
	fmt.Println("held")
	_, _ = io.Copy(io.Discard, os.Stdin)
	took := make([][]float64, min(busy, len(talkers)))
	errs := make([]error, len(talkers))
	var all sync.WaitGroup
	for i := range took {
		all.Go(func() {
			for n := 0; n < questions && errs[i] == nil; n++ {
				start := time.Now()
				errs[i] = talkers[i].ask(fmt.Sprintf("%d of %d %s", n, i, strings.Repeat("x", 1000)))
				took[i] = append(took[i], 1000*time.Since(start).Seconds())
			}
		})
	}
	all.Wait()
	for i, t := range talkers { // not one is lost, or another's
		errs[i] = errors.Join(errs[i], t.ask(fmt.Sprintf("it is %d", i)))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	sorted := slices.Sorted(slices.Values(slices.Concat(took...)))
	return json.NewEncoder(os.Stdout).Encode(holdResult{median(sorted), sorted[len(sorted)*99/100]})
}

// talker is a session that says what it hears.
type talker struct {
	in  io.Writer
	out *bufio.Reader
}

func (t talker) ask(line string) error {
	if _, err := io.WriteString(t.in, line+"\n"); err != nil {
		return err
	}
	got, err := t.out.ReadString('\n')
	if err == nil && got != line+"\n" {
		err = fmt.Errorf("%.40q answers %.40q", got, line)
	}
	return err
}

// arrive logs everybody in, a bounded number at the same time.
func arrive(members []member) ([]talker, error) {
	talkers, errs := make([]talker, len(members)), make([]error, len(members))
	turn := make(chan struct{}, arriving)
	var all sync.WaitGroup
	for i, m := range members {
		turn <- struct{}{}
		all.Go(func() {
			defer func() { <-turn }()
			talkers[i], errs[i] = m.talk(i)
		})
	}
	all.Wait()
	return talkers, errors.Join(errs...)
}

// talk opens a connection from an address of its own, with a session.
func (m member) talk(n int) (talker, error) {
	config, err := m.config()
	if err != nil {
		return talker{}, err
	}
	client, err := m.dial(config, net.IPv4(127, 0, byte(2+n/250), byte(1+n%250)))
	if err != nil {
		return talker{}, err
	}
	session, err := client.NewSession()
	if err != nil {
		return talker{}, err
	}
	in, err := session.StdinPipe()
	if err != nil {
		return talker{}, err
	}
	out, err := session.StdoutPipe()
	if err != nil {
		return talker{}, err
	}
	if err := session.Start("exec cat"); err != nil {
		return talker{}, err
	}
	t := talker{in, bufio.NewReader(out)}
	return t, t.ask("are you there") // the answer to exec comes before anything runs
}
