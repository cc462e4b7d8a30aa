package bench

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"forkgate/nsjail/idmap"
	"forkgate/tests/host"
	"forkgate/tests/need"
)

const (
	hugeSize   = 100 << 30 // bytes of the file beside the database
	hugePiece  = 256 << 10
	benchTime  = 12 * time.Second // of each pgbench
	benchTurns = 5
	checked    = 50 // forks whose database is started and checked
)

// database is PostgreSQL on the data of a repository: as what runs in its pod would be, with the ids that it would have, on the same pool.
type database struct {
	h    *host.Host
	uid  int
	guid string
	dir  string // of the repository's data, on the host
	bin  string
}

// BenchmarkPostgres measures what forks of a large repository cost a database in it that is worked with, and whether each has a whole one.
func BenchmarkPostgres(b *testing.B) {
	b.StopTimer()
	need.Tools(b, "pgbench", "pg_createcluster")
	h := host.Start(b, host.Options{People: []string{"alice"}})
	h.Repo(b, "pg")
	d := newDatabase(b, h, "pg")
	began := time.Now()
	makeFragmented(b, filepath.Join(h.Root(), d.dir), hugeSize, hugePiece)
	fmt.Printf("\na file of 100 GiB in %d pieces was made in %.0f s\n", hugeSize/hugePiece, time.Since(began).Seconds())
	d.must(b, "pgbench --quiet --initialize --scale=20 bench")
	d.pgbench(b, "warm", "")

	var rate, p99, copyRate, copyP99 []float64
	for turn := range benchTurns {
		quiet := d.pgbench(b, "quiet", "")
		forked := d.pgbench(b, "forked", fmt.Sprintf(`n=0; while sleep 2; do n=$((n+1)); forkgate fork pg:t%d-$n >/dev/null; done`, turn))
		d.removeForks(b)
		copied := d.pgbench(b, "copied", fmt.Sprintf(`n=0; while sleep 2; do n=$((n+1)); cp -a --reflink=always %[1]s/pg %[1]s/copy-$n; done`, d.dir))
		h.Must(b, "sh", "-c", "rm -rf "+d.dir+"/copy-*; sync -f "+d.dir)
		rate, p99 = append(rate, forked.rate/quiet.rate), append(p99, forked.p99/quiet.p99)
		copyRate, copyP99 = append(copyRate, copied.rate/quiet.rate), append(copyP99, copied.p99/quiet.p99)
		fmt.Printf("quiet %s; a fork every two seconds %s; cp --reflink every two seconds %s\n", quiet, forked, copied)
	}
	fmt.Printf("rate with forks %.2f (at least 0.93), p99 %.2f (at most 1.80); with cp --reflink, which is no snapshot, %.2f and %.2f\n",
		median(rate), median(p99), median(copyRate), median(copyP99))
	fmt.Println("from the literature, for comparison: a volume under an LVM snapshot keeps 0.16 of its rate of random writes, 25 of 159 in a second" +
		" (P. Zaitsev, Disaster: LVM Performance in Snapshot Mode, percona.com/blog, 5 February 2009)")
	b.ReportMetric(median(rate), "rate/ratio")
	b.ReportMetric(median(p99), "p99/ratio")
	whole := d.checkForks(b)
	fmt.Printf("of %d forks under full load %d have a database that starts and passes amcheck\n", checked, whole)
	b.ReportMetric(float64(whole), "whole")
	if whole != checked {
		b.Errorf("%d forks of %d have a whole database", whole, checked)
	}
}

func newDatabase(b *testing.B, h *host.Host, repo string) *database {
	b.Helper()
	d := &database{h: h, uid: idmap.Foreign + 7111, guid: guidOf(b, h, repo)}
	d.dir = filepath.Join("/var/lib/forkgate/pool/repos", d.guid, "tree/data")
	d.bin = filepath.Dir(strings.TrimSpace(h.Must(b, "sh", "-c", "ls /usr/lib/postgresql/*/bin/postgres")))
	// The pool is root's alone: who runs the database gets to its directory by another way.
	h.Must(b, "sh", "-ec", fmt.Sprintf("useradd --no-log-init --uid %d db; mkdir -p /mnt/db; install -d -o db /run/db; mount --bind %s /mnt/db; install -d -o db -m 700 /mnt/db/pg", d.uid, d.dir))
	d.must(b, "initdb --auth=trust --encoding=UTF8 --pgdata=/mnt/db/pg >/dev/null; "+
		"printf \"shared_buffers = 256MB\\nmax_wal_size = 2GB\\ncheckpoint_timeout = 1min\\nlisten_addresses = ''\\nunix_socket_directories = '/run/db'\\n\" >>/mnt/db/pg/postgresql.conf; "+
		"pg_ctl start --wait --silent --pgdata=/mnt/db/pg --log=/run/db/pg.log; createdb bench")
	return d
}

// must runs a script as the database's user.
func (d *database) must(b testing.TB, script string) string {
	b.Helper()
	return d.h.Must(b, "setpriv", "--reuid=db", "--regid=db", "--clear-groups", "env", "PATH="+d.bin+":/usr/bin", "PGHOST=/run/db", "HOME=/run/db", "bash", "-ec", "exec 2>&1; cd /run/db; "+script)
}

// load is what one pgbench came to.
type load struct{ rate, p99 float64 } // transactions in a second; milliseconds

func (r load) String() string { return fmt.Sprintf("%.0f/s, p99 %.1f ms", r.rate, r.p99) }

// pgbench works with the database for a while. beside is done at the same time, as root.
func (d *database) pgbench(b *testing.B, name, beside string) load {
	b.Helper()
	if beside != "" {
		d.h.Must(b, "systemd-run", "--quiet", "--unit=beside-"+name, "--collect", "bash", "-c", beside)
		defer d.h.Must(b, "sh", "-c", "systemctl stop beside-"+name+" 2>/dev/null || :")
	}
	d.must(b, fmt.Sprintf("rm -f /run/db/log.*; pgbench --client=8 --jobs=2 --time=%.0f --log --log-prefix=/run/db/log bench >/dev/null 2>&1; cat /run/db/log.* >/run/db/%s.txt", benchTime.Seconds(), name))
	return readLoad(b, filepath.Join(d.h.Root(), "run/db", name+".txt"))
}

// readLoad reads what pgbench --log wrote: the third word of a line is how many microseconds a transaction took.
func readLoad(b *testing.B, path string) load {
	b.Helper()
	f, err := os.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	var took []int
	for lines := bufio.NewScanner(f); lines.Scan(); {
		words := strings.Fields(lines.Text())
		if len(words) < 3 {
			b.Fatalf("pgbench wrote %q", lines.Text())
		}
		us, err := strconv.Atoi(words[2])
		if err != nil {
			b.Fatal(err)
		}
		took = append(took, us)
	}
	if len(took) < 1000 {
		b.Fatalf("%d transactions in %s", len(took), benchTime)
	}
	slices.Sort(took)
	return load{rate: float64(len(took)) / benchTime.Seconds(), p99: float64(took[len(took)*99/100]) / 1000}
}

func (d *database) removeForks(b *testing.B) {
	b.Helper()
	d.h.Must(b, "sh", "-c", "forkgate forks pg | awk 'NR > 1 { print $1 }' | while read fork; do forkgate rm $fork; done; sync -f /var/lib/forkgate/pool")
}

// checkForks makes forks while pgbench runs, starts the database of each, and has it checked: all of its indexes against its tables.
func (d *database) checkForks(b *testing.B) (whole int) {
	b.Helper()
	d.must(b, "psql --quiet --dbname=bench --command='create extension if not exists amcheck'")
	d.h.Must(b, "systemd-run", "--quiet", "--unit=load", "--collect", "--uid=db", "-E", "PGHOST=/run/db", d.bin+"/pgbench", "--client=8", "--jobs=2", "--time=3600", "bench")
	defer d.h.Must(b, "sh", "-c", "systemctl stop load 2>/dev/null || :")
	d.h.Must(b, "mkdir", "-p", "/mnt/fork")
	for n := range checked {
		d.h.Must(b, "systemctl", "is-active", "--quiet", "load")
		d.h.Must(b, "sh", "-ec", fmt.Sprintf("forkgate fork pg:c%d >/dev/null; guid=$(forkgate show pg:c%[1]d --json | sed -n 's/.*\"guid\": \"\\(.*\\)\".*/\\1/p'); "+
			"mount --bind /var/lib/forkgate/pool/forks/$guid/tree/data /mnt/fork; rm /mnt/fork/pg/postmaster.pid", n))
		said := d.must(b, "pg_ctl start --wait --silent --pgdata=/mnt/fork/pg --log=/run/db/fork.log --options='--port=5433' && "+
			"pg_amcheck --port=5433 --heapallindexed bench && echo whole; pg_ctl stop --silent --mode=immediate --pgdata=/mnt/fork/pg")
		if strings.Contains(said, "whole") {
			whole++
		} else {
			b.Logf("fork %d: %s", n, said)
		}
		d.h.Must(b, "sh", "-ec", fmt.Sprintf("umount /mnt/fork; forkgate rm pg:c%d", n))
	}
	return whole
}
