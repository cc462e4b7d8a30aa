package vm_test

import (
	"strings"
	"testing"
	"time"
)

// TestFaults has the disk below the pool fail in the ways in which disks do, with device-mapper, while forks are made, removed and used. Whatever
// happens, callers are told in bounded time, nobody is let into half a fork, and what needs no pool works; and once the disk is well and the
// pool is mounted again, production is there byte for byte, so are forks that were there, and registry, disk, units and rules agree.
func TestFaults(t *testing.T) {
	f := newFaulty(t)
	for _, c := range []struct {
		name  string
		fault func(*testing.T)
	}{
		{"writes fail before a fork is made", func(t *testing.T) { f.failsMaking(t, false) }},
		{"writes fail while a fork is made", func(t *testing.T) { f.failsMaking(t, true) }},
		{"writes fail before a fork is removed", func(t *testing.T) { f.failsRemoving(t, false) }},
		{"writes fail while a fork is removed", func(t *testing.T) { f.failsRemoving(t, true) }},
		{"writes are dropped, then comes a cut", f.dropsWrites},
		{"all fails below a session", f.failsBelowASession},
		{"the disk stalls while a fork is made", f.stalls},
	} {
		t.Run(c.name, func(t *testing.T) {
			defer func() {
				if t.Failed() { // the next one has a disk that is well
					f.mend(t)
				}
			}()
			f.Must(t, "ssh", "demo+old@agent", "echo work >work; sync")
			f.Must(t, "ssh", "demo@person", "date >>dir/1; sync")
			before := f.production(t)
			c.fault(t)
			f.isWhole(t, before)
			t.Logf("%s: done", f.Up())
		})
	}
}

// failsMaking has writes fail from before a fork is made, or from when that waits for the disk.
func (f faulty) failsMaking(t *testing.T, amid bool) {
	since := f.now(t)
	var making, entering said
	if amid {
		ended, alsoEnded := f.stuck(t, "ssh", "gate@agent", "fork", "demo", "half"), f.begin(t, "ssh", "demo+half@agent", "echo in")
		if forks := f.try(t, "ssh", "gate@agent", "forks"); forks.code != 0 || strings.Contains(forks.text, "half") {
			t.Errorf("meanwhile, forks: %v", forks)
		}
		f.disk(t, "fails-writes")
		making, entering = f.end(t, "making", ended), f.end(t, "entering", alsoEnded)
	} else {
		f.disk(t, "fails-writes")
		making = f.try(t, "ssh", "gate@agent", "fork", "demo", "half")
		entering = f.try(t, "ssh", "demo+half@agent", "echo in")
	}
	f.saysSo(t, "making a fork", making)
	f.saysSo(t, "entering it", entering)
	f.saysSo(t, "making another", f.try(t, "ssh", "gate@agent", "fork", "demo", "another"))
	f.takesNoWrites(t)
	f.needsNoPool(t)
	f.operatorSees(t)
	if journal := f.warden(t, since); anyStarted(journal, "demo:half") {
		t.Errorf("somebody was let into half a fork:\n%s", journal)
	}
	f.mend(t)
	if journal := f.warden(t, since); !strings.Contains(journal, "undid what was half-made ref=demo:half ") {
		t.Errorf("nothing was half-made, this test proves nothing:\n%s", journal)
	}
	if forks := f.try(t, "ssh", "gate@agent", "forks"); strings.Contains(forks.text, "half") || strings.Contains(forks.text, "another") {
		t.Errorf("after it all there are %v", forks)
	}
}

// failsRemoving is the same for the removal of a fork.
func (f faulty) failsRemoving(t *testing.T, amid bool) {
	since := f.now(t)
	f.Must(t, "ssh", "demo+going@agent", "echo work >work; sync")
	var removing said
	if amid {
		ended := f.stuck(t, "ssh", "gate@agent", "rm", "demo:going")
		f.disk(t, "fails-writes")
		removing = f.end(t, "removing", ended)
	} else {
		f.disk(t, "fails-writes")
		removing = f.try(t, "ssh", "gate@agent", "rm", "demo:going")
	}
	f.saysSo(t, "removing a fork", removing)
	f.saysSo(t, "making one of its name", f.try(t, "ssh", "demo+going@agent", "echo in"))
	f.takesNoWrites(t)
	f.needsNoPool(t)
	f.operatorSees(t)
	f.mend(t)
	if journal := f.warden(t, since); !strings.Contains(journal, "finished removing ref=demo:going ") {
		t.Errorf("nothing was half-removed, this test proves nothing:\n%s", journal)
	}
	if forks := f.try(t, "ssh", "gate@agent", "forks"); strings.Contains(forks.text, "going") {
		t.Errorf("after it all there are %v", forks)
	}
}

// dropsWrites has a disk that lies: it takes writes, and flushes, and then a power cut shows that it has kept none. So registry and disk, which
// are two, cannot agree by themselves; but what they do not agree about is named, and nobody gets into it.
func (f faulty) dropsWrites(t *testing.T) {
	for _, fork := range []string{"stays", "gone"} {
		f.Must(t, "ssh", "demo+"+fork+"@agent", "echo work >work; sync")
	}
	orphan := f.guid(t, "demo:gone")
	since := f.now(t)
	f.disk(t, "drops-writes")
	f.Must(t, "sh", "-ec", "echo lost >"+pool+"/control; sync -f "+pool+"/control")
	f.Must(t, "ssh", "demo+lost@agent", "echo lost >work; sync; cat work")
	f.Must(t, "ssh", "demo+stays@agent", "echo lost >work; sync")
	f.Must(t, "ssh", "gate@agent", "rm", "demo:gone")
	lost := f.guid(t, "demo:lost")
	f.mend(t)
	if control := f.try(t, "cat", pool+"/control"); control.code == 0 {
		t.Errorf("what the disk was to lose is there, this test proves nothing: %v", control)
	}
	journal := f.warden(t, since)
	for _, want := range []string{
		"recorded, but gone from the pool: remove it or restore the pool ref=demo:lost guid=" + lost,
		"in the pool, but not recorded: nobody can reach it, and nothing removes it path=" + pool + "/forks/" + orphan,
	} {
		if !strings.Contains(journal, want) {
			t.Errorf("the warden does not say %q:\n%s", want, journal)
		}
	}
	if in := f.try(t, "ssh", "demo+lost@agent", "echo in"); in.code != 254 || !strings.Contains(in.text, "demo:lost is gone from the pool") {
		t.Errorf("in a fork that the disk has lost: %v", in)
	}
	if work := f.try(t, "ssh", "demo+stays@agent", "cat work"); work.text != "work\n" {
		t.Errorf("in a fork as it was before: %v", work)
	}
	// It is there, and forgotten: its name is another's.
	if work := f.try(t, "ssh", "demo+gone@agent", "cat work"); work.code != 1 || strings.HasPrefix(work.text, "work") {
		t.Errorf("in a new fork of an old name: %v", work)
	}
	f.Must(t, "ssh", "gate@agent", "rm", "demo:lost")
	f.Must(t, "sh", "-ec", "cd "+pool+"/forks/"+orphan+"; btrfs subvolume delete * && rmdir \"$PWD\"") // as packaging/docs/admin.md says
}

// failsBelowASession has the whole disk fail: to read as well.
func (f faulty) failsBelowASession(t *testing.T) {
	// In the shell's own words, when its input ends: of programs the disk may have nothing any more.
	const read = `echo in; read; read -N 1 <big; echo "read: $?"; echo x >new; echo "write: $?"`
	session := func(seconds string) []string {
		return []string{"sh", "-c", `sleep $0 | ssh demo+x@agent "$1"`, seconds, read}
	}
	if s := f.try(t, session("1")...); s.text != "in\nread: 0\nwrite: 0\n" {
		t.Errorf("control, on a disk that is well: in a session %v", s)
	}
	pids := f.pids(t)
	ended := f.begin(t, session("6")...)
	time.Sleep(3 * time.Second)
	f.disk(t, "fails")
	// It is to have its shell, and not what it reads: dd(1), nocache.
	f.Must(t, "dd", "if="+pool+"/forks/"+f.guid(t, "demo:x")+"/tree/data/big", "iflag=nocache", "count=0")
	if s := f.end(t, "a session", ended); !strings.HasPrefix(s.text, "in\n") || !strings.Contains(s.text, "nput/output error") || strings.Contains(s.text, "read: 0") {
		t.Errorf("in a session %v", s)
	}
	f.takesNoWrites(t)
	f.saysSo(t, "making a fork", f.try(t, "ssh", "demo+another@agent", "echo in"))
	f.Must(t, "sh", "-ec", "echo 3 >/proc/sys/vm/drop_caches")
	f.saysSo(t, "production", f.try(t, "ssh", "demo@person", "cat big"))
	f.needsNoPool(t)
	f.operatorSees(t)
	if now := f.pids(t); now != pids {
		t.Errorf("gate and warden were %s, and are %s", pids, now)
	}
	f.mend(t)
}

// stalls has the disk answer nothing for a while.
func (f faulty) stalls(t *testing.T) {
	began := time.Now()
	ended := f.stuck(t, "ssh", "demo+slow@agent", "cat dir/1")
	f.needsNoPool(t)
	if time.Since(began) < 5*time.Second {
		time.Sleep(5*time.Second - time.Since(began))
	}
	if s, over := ended(); over {
		t.Errorf("the disk does not stall, this test proves nothing: %v", s)
	}
	stalled := time.Since(began)
	f.disk(t, "goes-on")
	slow := f.end(t, "making a fork", ended)
	if slow.code != 0 {
		t.Errorf("a fork that was made on a disk that stalls: %v", slow)
	}
	t.Logf("the disk stalled for %.1f s, and a fork took %.1f s to be made and entered", stalled.Seconds(), slow.took.Seconds())
}
