package kills_test

import (
	"fmt"
	"maps"
	"strconv"
	"strings"
	"testing"
	"time"

	"forkgate/tests/need"
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

// gateGoroutines is how holds calls those of the gate, which tells of itself once a second.
const gateGoroutines = `forkgate_gate{what="goroutines"}`

// settled is what services hold of each thing at most, once there are as many descriptors all the time: pods are made ahead, and goroutines come
// and go with what asks for them.
func (s *stage) settled(t *testing.T) (most map[string]int) {
	t.Helper()
	need.Eventually(t, "what gate and warden hold stays as it is", func() bool {
		least := s.holds(t)
		most = maps.Clone(least)
		for range 12 {
			time.Sleep(time.Second / 4)
			for what, n := range s.holds(t) {
				least[what], most[what] = min(least[what], n), max(most[what], n)
			}
		}
		for what, n := range most {
			if strings.Contains(what, "'s ") && least[what] != n {
				return false
			}
		}
		return least[gateGoroutines] > 0
	})
	return most
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
