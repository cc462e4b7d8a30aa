package pod

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"forkgate/nsjail/cgroup"
)

// ErrHoards says that the pod was ended for what it holds of something that the kernel counts for the whole host.
var ErrHoards = errors.New("the host's terminals run out, and the pod holds many")

// The kernel counts terminals for the whole host, whoever's (drivers/tty/pty.c), and any root of a user namespace mounts a devpts. So
// every supervisor looks how many there are. When half of what pods can have is taken, it counts those of its pod, which may be
// few however many there are, and has to end with many.
const (
	lookEvery       = 200 * time.Millisecond
	countEvery      = time.Second // each time the pod stands still
	standsStill     = 2 * time.Second
	manyDescriptors = 1 << 18 // what takes longer to count is not few either
	manyLooks       = 3       // at which something was hidden, or that failed
)

// holdings are what a pod has of the host's terminals.
type holdings struct {
	terminals map[terminal]bool
	hidden    int // descriptors that are on their way in a socket: of what, and of how many, nobody can tell
	looked    int // descriptors that were looked at
}

// terminal is a pseudo-terminal, whose master and slave have the same number in one devpts. Where the master was opened by a node
// that lies elsewhere, the two count as two.
type terminal struct{ device, index uint64 }

// watchTerminals ends the pod when it hoards terminals, and returns when ctx ends.
func (b *builder) watchTerminals(ctx context.Context, end context.CancelCauseFunc) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	var seen looks
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		few, err := allowance()
		if errors.Is(err, os.ErrNotExist) {
			return // a kernel without terminals
		}
		if err == nil && few == plenty {
			seen = looks{}
			tick.Reset(lookEvery)
			continue
		}
		tick.Reset(countEvery)
		now, err := b.count()
		if err = seen.judge(now, few, err); err != nil {
			end(err)
			return
		}
	}
}

// plenty is the allowance while there are enough.
const plenty = math.MaxInt

// allowance is how many terminals a pod may hold: the fewer, the more of those are taken that others than the host itself can have
// (kernel.pty in Documentation/admin-guide/sysctl/kernel.rst).
func allowance() (int, error) {
	var is struct{ nr, max, reserve int }
	for name, into := range map[string]*int{"nr": &is.nr, "max": &is.max, "reserve": &is.reserve} {
		text, err := os.ReadFile("/proc/sys/kernel/pty/" + name)
		if err == nil {
			*into, err = strconv.Atoi(strings.TrimSpace(string(text)))
		}
		if err != nil {
			return 0, fmt.Errorf("cannot tell how many terminals there are: %w", err)
		}
	}
	return allowanceOf(is.nr, is.max-is.reserve), nil
}

func allowanceOf(taken, all int) int {
	switch {
	case taken <= all/2:
		return plenty
	case taken <= all*3/4:
		return 256
	default:
		return 64
	}
}

// looks remembers what was wrong with a pod at one look after the other.
type looks struct{ hid, failed int }

// judge returns why the pod has to end, if it has. Descriptors that are on their way in a socket at one look after the other can be
// terminals; and whoever keeps from being counted is not spared.
func (l *looks) judge(h holdings, few int, err error) error {
	l.hid, l.failed = next(l.hid, h.hidden > 0), next(l.failed, err != nil)
	switch {
	case len(h.terminals) > few || h.looked > manyDescriptors || l.hid >= manyLooks:
		return fmt.Errorf("%w: %d, and %d descriptors in sockets", ErrHoards, len(h.terminals), h.hidden)
	case l.failed >= manyLooks:
		return fmt.Errorf("%w, as far as can be told: %w", ErrHoards, err)
	}
	return nil
}

func next(n int, again bool) int {
	if again {
		return n + 1
	}
	return 0
}

// count counts while all of the pod stands still: nothing is handed from one process to another meanwhile, nor from one half to the other.
func (b *builder) count() (h holdings, err error) {
	h.terminals = map[terminal]bool{}
	groups := []string{b.groups.machinePath, b.groups.sessionsPath}
	for _, group := range groups {
		defer func() { err = errors.Join(err, cgroup.Thaw(group)) }()
		err = errors.Join(err, cgroup.Freeze(group, standsStill))
	}
	for _, group := range groups {
		err = errors.Join(err, h.add(group))
	}
	return h, err
}

func (h *holdings) add(group string) error {
	pids, err := cgroup.Processes(group)
	if err != nil {
		return err
	}
	for _, pid := range pids {
		tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
		if err != nil {
			continue // it is gone, and so is what it held
		}
		for _, task := range tasks {
			tid, err := strconv.Atoi(task.Name())
			if err != nil || tid != pid && sameFiles(pid, tid) {
				continue
			}
			if h.addTask(tid); h.looked > manyDescriptors {
				return nil
			}
		}
	}
	return nil
}

// sameFiles reports whether two threads have one table of descriptors. They need not (unshare(2), CLONE_FILES).
func sameFiles(a, b int) bool {
	const kcmpFiles = 2 // KCMP_FILES
	r, _, errno := unix.Syscall6(unix.SYS_KCMP, uintptr(a), uintptr(b), kcmpFiles, 0, 0, 0)
	return errno == 0 && r == 0
}

func (h *holdings) addTask(tid int) {
	dir := fmt.Sprintf("/proc/%d/fd", tid)
	fds, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, fd := range fds {
		if h.looked++; h.looked > manyDescriptors {
			return
		}
		st, err := os.Stat(filepath.Join(dir, fd.Name()))
		if err != nil {
			continue
		}
		if sys, ok := st.Sys().(*syscall.Stat_t); ok {
			h.addFile(fmt.Sprintf("/proc/%d/fdinfo/%s", tid, fd.Name()), sys)
		}
	}
}

// Devices (Linux, Documentation/admin-guide/devices.txt).
const (
	ptmx               = 5<<8 | 2 // /dev/ptmx, by which masters are opened
	firstPTS, manyPTSs = 136, 8   // majors of slaves
)

func (h *holdings) addFile(fdinfo string, st *syscall.Stat_t) {
	switch kind, major := st.Mode&unix.S_IFMT, unix.Major(st.Rdev); {
	case kind == unix.S_IFSOCK:
		h.hidden += field(fdinfo, "scm_fds:")
	case kind != unix.S_IFCHR:
	case st.Rdev == ptmx:
		h.terminals[terminal{st.Dev, uint64(field(fdinfo, "tty-index:"))}] = true
	case major >= firstPTS && major < firstPTS+manyPTSs:
		h.terminals[terminal{st.Dev, uint64(major-firstPTS)<<8 | uint64(unix.Minor(st.Rdev))}] = true
	}
}

// field is a number of /proc/PID/fdinfo/FD; 0 where it is not there.
func field(fdinfo, name string) int {
	text, err := os.ReadFile(fdinfo)
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(text) {
		if value, ok := bytes.CutPrefix(line, []byte(name)); ok {
			n, _ := strconv.Atoi(string(bytes.TrimSpace(value)))
			return n
		}
	}
	return 0
}
