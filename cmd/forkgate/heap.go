package main

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// roomyHeap is how large the gate's heap grows before there is another collection, however little of it lives. With few connections that is so little that
// one that is sent much had fifty collections a second: each packet of an upload is a piece of heap.
const roomyHeap = 64 << 20

// tuneHeap has the collector leave a small heap alone until it is large enough, and take a large one as gcPercent says: by what lives after the last
// collection, and again after each that follows. It stops the world for a moment where there is a change.
func tuneHeap() {
	is := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/gogc:percent"}}
	metrics.Read(is)
	live, percent := is[0].Value.Uint64(), gcPercent
	if live < roomyHeap {
		percent = max(percent, int((roomyHeap-live)*100/max(live, 1<<20)))
	}
	if now := int(is[1].Value.Uint64()); now < percent-percent/8 || now > percent+percent/8 {
		debug.SetGCPercent(percent)
	}
	// Nobody holds it: it is gone with the next collection. One without a pointer might share its place with what stays (runtime.AddCleanup).
	runtime.AddCleanup(new(*byte), func(struct{}) { tuneHeap() }, struct{}{})
}
