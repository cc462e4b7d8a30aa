// Package threads has the processes of a pod that are not its caller's get by where the caller leaves no room for another one.
//
// Go starts a thread whenever there is work and all that it has are busy or in the kernel, and ends the program where it gets none
// (newosproc in runtime/os_linux.go). A pod's supervisor and its inits are under the pod's own limit of processes, which whoever works in
// the pod may use up: with the supervisor, or an init, the whole pod would end. Threads that are there already are used first, and Go
// never ends one but those that a goroutine has locked and not given back.
//
// It is no limit: a program that has more to do at once than Spare system calls may still want another thread.
package threads

import (
	"runtime"
	"sync"
)

const (
	// AtOnce is how many threads run Go at once, at most: as many as processors, in a large host, would want as many threads, for next to no work.
	AtOnce = 2
	// Spare is how many threads may be in a system call beside them.
	Spare = 6
)

// Reserve starts the threads. They stay, and sleep until there is work.
func Reserve() {
	runtime.GOMAXPROCS(min(AtOnce, runtime.GOMAXPROCS(0)))
	var there, all sync.WaitGroup
	there.Add(AtOnce + Spare)
	for range AtOnce + Spare {
		all.Go(func() {
			runtime.LockOSThread() // so that each has one of its own
			defer runtime.UnlockOSThread()
			there.Done()
			there.Wait()
		})
	}
	all.Wait()
}
