package pod

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"forkgate/tests/need"
)

// A terminal counts once, however it is held: by its master or its slave, by several descriptors, or out of sight in a socket.
func TestTerminalsAreCounted(t *testing.T) {
	need.Root(t) // for the ptmx of a devpts, by which a pod opens masters
	held := func() holdings {
		h := holdings{terminals: map[terminal]bool{}}
		h.addTask(os.Getpid())
		return h
	}
	before := held()
	expect := func(what string, terminals, hidden int) {
		t.Helper()
		h := held()
		if got := len(h.terminals) - len(before.terminals); got != terminals || h.hidden-before.hidden != hidden {
			t.Errorf("%s: %d terminals and %d hidden, not %d and %d", what, got, h.hidden-before.hidden, terminals, hidden)
		}
	}
	master, err := os.OpenFile("/dev/pts/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	must(t, err)
	defer master.Close()
	expect("a master", 1, 0)

	must(t, unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0))
	index, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	must(t, err)
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", index), os.O_RDWR|unix.O_NOCTTY, 0)
	must(t, err)
	defer slave.Close()
	again, err := unix.Dup(int(master.Fd()))
	must(t, err)
	expect("its slave and another descriptor", 1, 0)

	must(t, unix.Close(again))
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	defer unix.Close(pair[1])
	must(t, unix.Sendmsg(pair[0], []byte{0}, unix.UnixRights(int(master.Fd()), int(slave.Fd())), nil, 0))
	expect("sent away too", 1, 2)
	must(t, master.Close())
	expect("its slave alone", 1, 2)
	must(t, slave.Close())
	expect("out of sight", 0, 2)
	must(t, unix.Close(pair[0]))
}

func TestManyTerminals(t *testing.T) {
	held := func(n int) holdings {
		h := holdings{terminals: map[terminal]bool{}}
		for i := range n {
			h.terminals[terminal{1, uint64(i)}] = true
		}
		return h
	}
	hides, failed := holdings{hidden: 1}, errors.New("it does not freeze")
	const all, few = 3072, 256
	for _, row := range []struct {
		what  string
		looks []holdings
		errs  []error
		many  bool
	}{
		{"nothing", []holdings{{}}, nil, false},
		{"few", []holdings{held(few), held(few), held(few), held(few)}, nil, false},
		{"one more", []holdings{held(few + 1)}, nil, true},
		{"something on its way, now and then", []holdings{hides, hides, {}, hides, hides}, nil, false},
		{"something that stays on its way", []holdings{hides, hides, hides}, nil, true},
		{"too much to look at", []holdings{{looked: manyDescriptors + 1}}, nil, true},
		{"looks that failed, now and then", []holdings{{}, {}, {}, {}, {}}, []error{failed, failed, nil, failed, failed}, false},
		{"looks that fail", []holdings{{}, {}, {}}, []error{failed, failed, failed}, true},
	} {
		var seen looks
		var got error
		for i, h := range row.looks {
			var err error
			if row.errs != nil {
				err = row.errs[i]
			}
			got = errors.Join(got, seen.judge(h, few, err))
		}
		if errors.Is(got, ErrHoards) != row.many {
			t.Errorf("%s: %v", row.what, got)
		}
	}
	for taken, want := range map[int]int{0: plenty, all / 2: plenty, all/2 + 1: 256, all * 3 / 4: 256, all*3/4 + 1: 64, all: 64} {
		if got := allowanceOf(taken, all); got != want {
			t.Errorf("with %d of %d taken a pod may hold %d", taken, all, got)
		}
	}
}
