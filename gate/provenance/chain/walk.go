package chain

import (
	"fmt"
	"io/fs"
)

const (
	maxLength = 256 // processes from the one that asks up to the first
	attempts  = 3   // a parent may end while it is read; who asks again and again is somebody who makes that happen
)

// Walk reads a process and its parents, itself first, up to the last one that has no parent. What it returns was there all at
// once: each process is looked at again when all have been read.
func Walk(proc fs.FS, pid int) ([]Process, error) {
	var err error
	for range attempts {
		var chain []Process
		if chain, err = walk(proc, pid); err == nil {
			return chain, nil
		}
	}
	return nil, err
}

func walk(proc fs.FS, pid int) ([]Process, error) {
	var chain []Process
	seen := map[int]bool{}
	for next := pid; next != 0; {
		if seen[next] || len(chain) == maxLength {
			return nil, fmt.Errorf("cannot walk up from process %d: the chain does not end", pid)
		}
		seen[next] = true
		p, err := Read(proc, next)
		if err != nil {
			return nil, err
		}
		chain = append(chain, p)
		next = p.Parent
	}
	if len(chain) == 0 {
		return nil, fmt.Errorf("cannot walk up from process %d: there is none", pid)
	}
	for i, p := range chain {
		if !Same(proc, p) {
			return nil, fmt.Errorf("cannot walk up from process %d: process %d changed meanwhile", pid, p.PID)
		}
		if i > 0 && p.Start > chain[i-1].Start {
			return nil, fmt.Errorf("cannot walk up from process %d: process %d is younger than its child", pid, p.PID)
		}
	}
	return chain, nil
}
