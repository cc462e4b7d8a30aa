package main

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// What editors, package managers and hands do to the files of a policy is told of; what they leave beside them is not.
func TestPolicyWatch(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "forkgate")
	in := func(names ...string) string { return filepath.Join(append([]string{dir}, names...)...) }
	must := func(errs ...error) {
		t.Helper()
		for _, err := range errs {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	write := func(path string) error { return os.WriteFile(path, []byte("# x\n"), 0o600) }
	must(os.Mkdir(dir, 0o700))
	watch, err := newPolicyWatch(dir, slog.New(slog.DiscardHandler))
	must(err)
	ctx, stop := context.WithCancel(t.Context())
	changed := make(chan struct{}, 1)
	var running sync.WaitGroup
	running.Go(func() { watch.run(ctx, changed) })
	defer running.Wait()
	defer stop()
	for !watched(watch, dir) {
		time.Sleep(time.Millisecond)
	}
	for _, step := range []struct {
		what string
		do   func()
		told bool
	}{
		{"a file", func() { must(write(in("a.hcl"))) }, true},
		{"another kind of file", func() { must(write(in("a.hcl~")), write(in(".a.hcl.swp")), write(in(".b.hcl"))) }, false},
		{"policy.d", func() { must(os.Mkdir(in("policy.d"), 0o700)) }, true},
		{"a file in it", func() { must(write(in("policy.d", "b.hcl"))) }, true},
		{"a file put over another", func() { must(write(in("new")), os.Rename(in("new"), in("policy.d", "b.hcl"))) }, true},
		{"a mode", func() { must(os.Chmod(in("a.hcl"), 0o622)) }, true},
		{"a file that goes", func() { must(os.Remove(in("a.hcl"))) }, true},
		{"the directory put aside", func() { must(os.Rename(dir, dir+".old")) }, true},
		{"another one in its place", func() { must(os.Mkdir(dir, 0o700), os.Mkdir(in("policy.d"), 0o700)) }, true},
		{"a file in that", func() { must(write(in("policy.d", "c.hcl"))) }, true},
		{"a file in what was put aside", func() { must(write(dir + ".old/d.hcl")) }, false},
	} {
		step.do()
		wait := 30 * time.Second
		if !step.told {
			wait = 5 * settled
		}
		select {
		case <-changed:
			if !step.told {
				t.Errorf("%s is told of", step.what)
			}
		case <-time.After(wait):
			if step.told {
				t.Errorf("%s is not told of", step.what)
			}
		}
		for calm := false; !calm; { // one step can be several events
			select {
			case <-changed:
			case <-time.After(3 * settled):
				calm = true
			}
		}
	}
}

func watched(p *policyWatch, dir string) bool {
	for _, path := range p.watcher.WatchList() {
		if path == dir {
			return true
		}
	}
	return false
}
