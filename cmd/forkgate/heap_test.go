package main

import (
	"runtime"
	"runtime/metrics"
	"testing"
	"time"
)

// A small heap grows until it is worth a collection; a large one is collected by the percent that all services have.
func TestTheHeapIsTuned(t *testing.T) {
	tuneHeap() // for as long as the program runs
	percent := func() int {
		now := []metrics.Sample{{Name: "/gc/gogc:percent"}}
		metrics.Read(now)
		return int(now[0].Value.Uint64())
	}
	until := func(what string, right func(int) bool) {
		t.Helper()
		for end := time.Now().Add(10 * time.Second); !right(percent()); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s: %d%%", what, percent())
			}
			runtime.GC()
		}
	}
	until("a small heap", func(p int) bool { return p > gcPercent })
	large := make([]byte, 2*roomyHeap)
	until("a large one", func(p int) bool { return p == gcPercent })
	runtime.KeepAlive(large)
	large = nil
	until("a small one again", func(p int) bool { return p > gcPercent })
}
