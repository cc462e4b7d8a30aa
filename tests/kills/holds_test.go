package kills_test

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"forkgate/tests/need"
)

// holds counts what services hold: the descriptors of their main processes, by what they are, and goroutines. Not the files that say how much
// processor a control group may use, which Go's runtime keeps open where there are any when it starts (runtime/cgroup_linux.go). A descriptor that is
// closed before it is read is none of them, and no reason to leave the others out.
func (s *stage) holds(t *testing.T) map[string]int {
	t.Helper()
	held := map[string]int{}
	for line := range strings.Lines(s.Must(t, "bash", "-ec", `for unit in gate warden; do
			pid=$(systemctl show -P MainPID forkgate-$unit); test $pid != 0
			for f in /proc/$pid/fd/*; do readlink $f || :; done | grep -v ^/sys/fs/cgroup/ | sed "s/:.*//; s/ (deleted)//; s/^/$unit's /" | sort | uniq -c
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

// settled is what services hold of each thing: of descriptors the least, once that is the same for two whiles on end, as pods are made ahead; of what comes and
// goes, such as goroutines, the most.
func (s *stage) settled(t *testing.T) (held map[string]int) {
	t.Helper()
	var before map[string]int
	var changes []string
	defer func() {
		if t.Failed() {
			t.Logf("what changed from while to while: %q", changes)
		}
	}()
	need.Eventually(t, "what gate and warden hold stays as it is", func() bool {
		least, most := s.while(t)
		atRest := before != nil && least[gateGoroutines] > 0
		changes = append(changes, strings.Join(slices.Concat(more(least, before), more(before, least)), "; "))
		held = most
		for what, n := range least {
			if strings.Contains(what, "'s ") {
				atRest = atRest && before[what] == n
				held[what] = n
			}
		}
		before = least
		return atRest
	})
	return held
}

// while looks at what they hold for a while: each look is a connection to the warden, which has its descriptors for a moment.
func (s *stage) while(t *testing.T) (least, most map[string]int) {
	t.Helper()
	least = s.holds(t)
	most = maps.Clone(least)
	for range 6 {
		time.Sleep(time.Second / 4)
		now := s.holds(t)
		for what := range most { // what is not there is none
			least[what] = min(least[what], now[what])
		}
		for what, n := range now {
			most[what] = max(most[what], n)
			if _, known := least[what]; !known {
				least[what] = 0
			}
		}
	}
	return least, most
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
