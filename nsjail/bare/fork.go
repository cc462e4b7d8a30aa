package bare

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

//go:linkname beforeFork syscall.runtime_BeforeFork
func beforeFork()

//go:linkname afterFork syscall.runtime_AfterFork
func afterFork()

//go:linkname afterForkInChild syscall.runtime_AfterForkInChild
func afterForkInChild()

// CloneArgs is struct clone_args (clone3(2)).
type CloneArgs struct {
	Flags, PidFD, ChildTID, ParentTID, ExitSignal, Stack, StackSize, TLS, SetTID, SetTIDSize, Cgroup uint64
}

// Fork makes a process that has a copy of this one's memory and runs child, which never returns. Child and all that it calls have
// to be nosplit, and may not allocate: nothing there could grow a stack.
func Fork(args CloneArgs, child func(unsafe.Pointer), arg unsafe.Pointer) (pid int, errno unix.Errno) {
	syscall.ForkLock.Lock() // a descriptor that is about to be closed on exec is not copied before
	defer syscall.ForkLock.Unlock()
	return fork(&args, child, arg)
}

// clone is the older call as long as that can say what is asked for: a filter that looks at flags (RestrictNamespaces= of
// systemd.exec(5)) refuses clone3, whose flags lie in memory.
//
//go:nosplit
//go:norace
//go:nocheckptr
func (a *CloneArgs) clone() (pid uintptr, errno unix.Errno) {
	if (CloneArgs{Flags: a.Flags & (1<<32 - 1), ExitSignal: a.ExitSignal}) == *a {
		pid, _, errno = syscall.RawSyscall6(unix.SYS_CLONE, uintptr(a.Flags|a.ExitSignal), 0, 0, 0, 0, 0)
	} else {
		pid, _, errno = syscall.RawSyscall(unix.SYS_CLONE3, uintptr(unsafe.Pointer(a)), unsafe.Sizeof(*a), 0)
	}
	return pid, errno
}

// fork must not grow its stack or allocate between the hooks.
//
//go:noinline
//go:norace
//go:nocheckptr
func fork(args *CloneArgs, child func(unsafe.Pointer), arg unsafe.Pointer) (pid int, errno unix.Errno) {
	beforeFork()
	r, errno := args.clone()
	if errno != 0 || r != 0 {
		afterFork()
		return int(r), errno
	}
	afterForkInChild()
	child(arg)
	return 0, 0 // not reached
}

// Failure is the report of a call that went wrong. A process also sends one, of list [Started], where all is well so far.
type Failure struct {
	List, Index, Errno uint32
}

// Started is the list of a report that is no failure.
const Started = 100

// CarryOut makes the calls of a list. The first that does not end as it should is reported, and is the end of the process. Before
// the last call of the last list, execve, it reports that all is well so far.
//
//go:nosplit
//go:norace
//go:nocheckptr
func CarryOut(calls []Call, report uintptr, list uint32, last bool) {
	var f Failure
	for i := range calls {
		if last && i == len(calls)-1 {
			f = Failure{List: Started}
			syscall.RawSyscall(unix.SYS_WRITE, report, uintptr(unsafe.Pointer(&f)), unsafe.Sizeof(f))
		}
		c := &calls[i]
		r, _, errno := syscall.RawSyscall6(c.number, c.args[0], c.args[1], c.args[2], c.args[3], c.args[4], c.args[5])
		if errno == 0 && r < c.least {
			errno = unix.ENODATA
		}
		if errno != c.want && c.want != WantAnything && (c.want != WantFailure || errno == 0) {
			f = Failure{list, uint32(i), uint32(errno)}
			syscall.RawSyscall(unix.SYS_WRITE, report, uintptr(unsafe.Pointer(&f)), unsafe.Sizeof(f))
			Exit(1)
		}
	}
}

// Exit ends the process.
//
//go:nosplit
//go:norace
func Exit(code uintptr) {
	for {
		syscall.RawSyscall(unix.SYS_EXIT_GROUP, code, 0, 0)
	}
}
