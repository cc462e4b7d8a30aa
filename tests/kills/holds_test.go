package kills_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
)

// holds counts what services hold: the descriptors of their main processes, by what they are, and goroutines. Not the files that say how much
// processor a control group may use, which Go's runtime keeps open where there are any when it starts (runtime/cgroup_linux.go).
func (s *stage) holds(t *testing.T) map[string]int {
	t.Helper()
	held := map[string]int{}
	for line := range strings.Lines(s.Must(t, "bash", "-ec", `for unit in gate warden; do
			pid=$(systemctl show -P MainPID forkgate-$unit); test $pid != 0
			for f in /proc/$pid/fd/*; do readlink $f; done | grep -v ^/sys/fs/cgroup/ | sed "s/:.*//; s/ (deleted)//; s/^/$unit's /" | sort | uniq -c
		done
		forkgate metrics | sed -n 's/^\(go_goroutines\|forkgate_gate.what="[gc].*"}\) \(.*\)/\2 \1/p'`)) {
		count, what, _ := strings.Cut(strings.TrimSpace(line), " ")
		n, err := strconv.Atoi(count)
		if err != nil {
			t.Fatalf("%q is no count", line)
		}
		held[what] = n
	}
	return held
}

// least is the least that services hold of each thing, for some seconds: pods are being made, and the gate tells of itself once a second.
func (s *stage) least(t *testing.T) map[string]int {
	t.Helper()
	held := s.holds(t)
	for range 10 {
		time.Sleep(time.Second / 4)
		now := s.holds(t)
		for what := range held {
			held[what] = min(held[what], now[what])
		}
	}
	return held
}

// more says of what there is more than there was.
func more(now, before map[string]int) (what []string) {
	for w, n := range now {
		if n > before[w] {
			what = append(what, fmt.Sprintf("%s: %d, before %d", w, n, before[w]))
		}
	}
	return what
}
