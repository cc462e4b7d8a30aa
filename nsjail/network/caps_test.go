package network

import (
	"strconv"
	"testing"

	"forkgate/nsjail"
	"forkgate/tests/need"
)

// One pod that tracks all that it may does not take the kernel's table from others.
func TestConnectionsAreCapped(t *testing.T) {
	l := newLab6(t)
	l.serve(t)
	greedy := l.joins(t, "a0", nsjail.Network{Slot: 1, Egress: everything})
	modest := l.joins(t, "b0", nsjail.Network{Slot: 2, Egress: everything})
	const many = maxConnections + 200
	hold := greedy.launch(t, "hold", "8.8.8.8:80", strconv.Itoa(many))
	got, err := strconv.Atoi(hold.line(t))
	if err != nil || got != maxConnections {
		t.Errorf("a pod has %d connections, %v; the cap is %d", got, err, maxConnections)
	}
	if got := greedy.try(t, "tcp", "8.8.8.8:80"); got != "refused" {
		t.Errorf("one more: %s", got)
	}
	if got := greedy.try(t, "tcp", "["+public6+"]:80"); got != "refused" {
		t.Errorf("one more, by IPv6, of which there is none: %s", got)
	}
	if got := modest.try(t, "tcp", "8.8.8.8:80"); got != "ok internet "+hostAddress {
		t.Errorf("another pod: %s", got)
	}
	if got := modest.try(t, "tcp", "["+public6+"]:80"); got != "ok internet "+host6 {
		t.Errorf("another pod, by IPv6: %s", got)
	}
	hold.end()
	need.Eventually(t, "what has ended is not counted", func() bool { return greedy.try(t, "tcp", "8.8.8.8:80") == "ok internet "+hostAddress })
	l.noRules(t)
	if got, err := strconv.Atoi(greedy.launch(t, "hold", "8.8.8.8:80", strconv.Itoa(many)).line(t)); err != nil || got != many {
		t.Errorf("control: without rules a pod has %d connections, %v", got, err)
	}
}

// A flood of new connections is cut off, and the pod's neighbour does not notice.
func TestNewConnectionsAreRated(t *testing.T) {
	l := newLoneLab(t)
	l.serve(t)
	p := l.joins(t, "a0", nsjail.Network{Slot: 1, Egress: everything})
	modest := l.joins(t, "b0", nsjail.Network{Slot: 2, Egress: everything})
	const flood = newBurst + 1000 // more than the cap of connections is another test
	refused := func() int {
		n, err := strconv.Atoi(p.launch(t, "flood", "8.8.8.8", strconv.Itoa(flood)).line(t))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if refused() == 0 {
		t.Errorf("none of %d connections at once was refused", flood)
	}
	if got := modest.try(t, "tcp", "8.8.8.8:80"); got != "ok internet "+hostAddress {
		t.Errorf("another pod: %s", got)
	}
	l.noRules(t)
	if n := refused(); n != 0 {
		t.Errorf("control: without rules %d were refused", n)
	}
}
