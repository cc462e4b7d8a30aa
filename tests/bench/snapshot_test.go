package bench

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"forkgate/tests/host"
)

// The large repository is one file of 8 GiB in 131,072 pieces, each somewhere else on the disk than its neighbours.
const (
	pieceSize  = 64 << 10
	sourceSize = 64 << 20
	largeSize  = 8 << 30
)

// snapshots compares forks of a large and a small repository, and cp --reflink of the large one's data.
func snapshots(b *testing.B, h *host.Host) []comparison {
	b.Helper()
	h.Repo(b, "large")
	h.Repo(b, "small", "/etc/systemd")
	data := filepath.Join("/var/lib/forkgate/pool/repos", guidOf(b, h, "large"), "tree/data")
	makeFragmented(b, filepath.Join(h.Root(), data), largeSize, pieceSize)
	large := comparison{what: "snapshot of 8 GiB in pieces", rival: "of a small repository", limit: "at most 2.0"}
	copies := comparison{what: "snapshot of 8 GiB in pieces", rival: "cp -a --reflink", limit: "for comparison"}
	for range rounds {
		l, s := forkTime(b, h, "large"), forkTime(b, h, "small")
		large.rounds = append(large.rounds, round{Ours: l, Rival: s})
		if len(copies.rounds) < 7 { // each takes seconds
			copies.rounds = append(copies.rounds, round{Ours: l, Rival: copyTime(b, h, data)})
		}
	}
	return []comparison{large, copies}
}

// forkTime makes a fork, checks that its data is the repository's, removes it, and returns how long the snapshot took.
func forkTime(b *testing.B, h *host.Host, repo string) time.Duration {
	b.Helper()
	var fork struct {
		GUID  string
		Steps []struct {
			Name string
			NS   time.Duration
		}
	}
	if err := json.Unmarshal([]byte(h.Must(b, "forkgate", "fork", repo+":x", "--json")), &fork); err != nil {
		b.Fatal(err)
	}
	const pool = "/var/lib/forkgate/pool"
	h.Must(b, "sh", "-ec", fmt.Sprintf("cd %[1]s; a=$(find repos/%[2]s/tree/data | wc -l); b=$(find forks/%[3]s/tree/data | wc -l); test $a = $b",
		pool, guidOf(b, h, repo), fork.GUID))
	h.Must(b, "forkgate", "rm", repo+":x")
	h.Must(b, "sync", "-f", pool) // the removal's own commit is not the next snapshot's to pay
	for _, step := range fork.Steps {
		if step.Name == "snapshot" {
			return step.NS
		}
	}
	b.Fatalf("a fork without a snapshot: %+v", fork)
	return 0
}

// copyTime copies the same data as a rival without snapshots would.
func copyTime(b *testing.B, h *host.Host, data string) time.Duration {
	b.Helper()
	out := h.Must(b, "bash", "-ec", fmt.Sprintf(`
		copy=/var/lib/forkgate/pool/bench-copy
		start=$EPOCHREALTIME; cp -a --reflink=always %s $copy; end=$EPOCHREALTIME
		test "$(stat -c %%s $copy/large)" = %d
		rm -r $copy; sync -f /var/lib/forkgate/pool
		echo $(( (${end/./} - ${start/./}) ))`, data, int64(largeSize)))
	us, err := strconv.Atoi(strings.TrimSpace(out))
	if err != nil {
		b.Fatal(err)
	}
	return time.Duration(us) * time.Microsecond
}

func guidOf(b *testing.B, h *host.Host, repo string) string {
	b.Helper()
	var tree struct{ GUID string }
	if err := json.Unmarshal([]byte(h.Must(b, "forkgate", "show", repo, "--json")), &tree); err != nil || tree.GUID == "" {
		b.Fatalf("no GUID of %s: %v", repo, err)
	}
	return tree.GUID
}

// makeFragmented puts a large file together from random pieces of a smaller one (FICLONERANGE, ioctl_ficlonerange(2)): the
// same extents as a database that has been written to at random for long, without writing for as long.
func makeFragmented(b *testing.B, dir string, size, piece uint64) {
	b.Helper()
	source, err := os.Create(filepath.Join(dir, "source"))
	if err != nil {
		b.Fatal(err)
	}
	defer source.Close()
	chunk := make([]byte, 1<<20)
	for range sourceSize / len(chunk) {
		rand.Read(chunk)
		if _, err := source.Write(chunk); err != nil {
			b.Fatal(err)
		}
	}
	if err := source.Sync(); err != nil {
		b.Fatal(err)
	}
	large, err := os.Create(filepath.Join(dir, "large"))
	if err != nil {
		b.Fatal(err)
	}
	defer large.Close()
	random := mathrand.New(mathrand.NewPCG(1, 2))
	for at := uint64(0); at < size; at += piece {
		if err := unix.IoctlFileCloneRange(int(large.Fd()), &unix.FileCloneRange{
			Src_fd: int64(source.Fd()), Src_offset: random.Uint64N(sourceSize/piece) * piece, Src_length: piece, Dest_offset: at,
		}); err != nil {
			b.Fatalf("cannot clone a piece: %v", err)
		}
	}
	if err := large.Sync(); err != nil {
		b.Fatal(err)
	}
}
