package inside

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"forkgate/nsjail/bare"
)

// A session starts in a millisecond or two because nothing is loaded for it. When session init starts it forks a zygote: a copy of
// itself that only carries out lists of system calls that session init writes to shared memory. Forking the zygote costs little,
// because it is small and stands still; session init itself, busy on several threads, would pay for every page that it touches
// afterwards.

// script is what a session's two processes do. It lies in an arena, and so do its lists, but for those that were there before
// the zygote was.
type script struct {
	clone  bare.CloneArgs
	before [2][]bare.Call // what the session's pid 1 does before it starts the command
	inner  [3][]bare.Call // what the command's process does; the last call is execve
	after  [1][]bare.Call // what pid 1 does once it has started the command
	// report is a socket on which a call that goes wrong is told: its list and place, and the error number it got.
	report uintptr
	// status is a pipe for the command's wait status, as after leaves it.
	status uintptr
}

const (
	listBefore = 0 // and 1
	listInner  = 2 // to 4
	listAfter  = 5
	lists      = 6
)

// orders is what the zygote does first, and what it then receives into: the address of a script, and descriptors.
type orders struct {
	first   []bare.Call
	header  unix.Msghdr
	vector  unix.Iovec
	script  uintptr
	control [512]byte
}

// born is the zygote's answer.
type born struct{ PID, Errno int32 }

// Descriptors of the zygote. What comes with a script is numbered from zygoteFiles on.
const (
	zygoteOrders = 3
	zygoteScope  = 4
	zygoteFiles  = 5
)

// forkZygote starts the zygote. The list is what it does first.
func forkZygote(first []bare.Call, o *orders) (pid int, errno unix.Errno) {
	o.first = first
	return bare.Fork(bare.CloneArgs{ExitSignal: uint64(unix.SIGCHLD)}, zygote, unsafe.Pointer(o))
}

// zygote makes sessions until nobody asks for more.
//
//go:nosplit
//go:norace
//go:nocheckptr
func zygote(arg unsafe.Pointer) {
	o := (*orders)(arg)
	bare.CarryOut(o.first, 0, 0, false)
	for {
		o.header.Controllen = uint64(len(o.control))
		n, _, errno := syscall.RawSyscall(unix.SYS_RECVMSG, zygoteOrders, uintptr(unsafe.Pointer(&o.header)), unix.MSG_CMSG_CLOEXEC)
		if errno == unix.EINTR {
			continue
		}
		if errno != 0 || n != unsafe.Sizeof(o.script) {
			bare.Exit(1)
		}
		s := *(**script)(unsafe.Pointer(&o.script))
		pid, _, errno := syscall.RawSyscall(unix.SYS_CLONE3, uintptr(unsafe.Pointer(&s.clone)), unsafe.Sizeof(s.clone), 0)
		if errno == 0 && pid == 0 {
			s.pid1()
		}
		answer := born{int32(pid), int32(errno)}
		syscall.RawSyscall(unix.SYS_WRITE, zygoteOrders, uintptr(unsafe.Pointer(&answer)), unsafe.Sizeof(answer))
		syscall.RawSyscall(unix.SYS_CLOSE_RANGE, zygoteFiles, bare.MinusOne, 0)
	}
}

// pid1 is the session's pid 1. It starts the command, and then waits for everything that ends, and never goes by itself.
//
//go:nosplit
//go:norace
//go:nocheckptr
func (s *script) pid1() {
	bare.CarryOut(s.before[0], s.report, listBefore, false)
	bare.CarryOut(s.before[1], s.report, listBefore+1, false)
	command, _, errno := syscall.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	if errno == 0 && command == 0 {
		bare.CarryOut(s.inner[0], s.report, listInner, false)
		bare.CarryOut(s.inner[1], s.report, listInner+1, false)
		bare.CarryOut(s.inner[2], s.report, listInner+2, true)
	}
	// With the last of these calls the script's memory is used for another session.
	out := s.status
	bare.CarryOut(s.after[0], s.report, listAfter, false)
	var status uint32
	for {
		pid, _, errno := syscall.RawSyscall6(unix.SYS_WAIT4, bare.MinusOne, uintptr(unsafe.Pointer(&status)), 0, 0, 0, 0)
		if errno == unix.ECHILD {
			syscall.RawSyscall6(unix.SYS_PPOLL, 0, 0, 0, 0, 0, 0) // whoever looks after the session kills us
		}
		if errno == 0 && pid == command {
			syscall.RawSyscall(unix.SYS_WRITE, out, uintptr(unsafe.Pointer(&status)), 4)
		}
	}
}
