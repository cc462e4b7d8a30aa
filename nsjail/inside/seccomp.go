package inside

import (
	"fmt"
	"unsafe"

	seccomp "github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// filter is a list of what is denied; everything else is allowed.
type filter struct {
	names []string
	rules []rule
}

// neverNeeded is denied everywhere in a pod: what reaches past namespaces, and kernel surface that neither containers nor
// callers need.
var neverNeeded = []string{
	"acct", "adjtimex", "clock_adjtime", "clock_settime", "delete_module", "finit_module", "init_module", "io_uring_enter",
	"io_uring_register", "io_uring_setup", "kexec_file_load", "kexec_load", "open_by_handle_at", "perf_event_open",
	"quotactl", "quotactl_fd", "settimeofday", "swapoff", "swapon", "syslog", "userfaultfd",
}

// notInSessions is denied to callers' commands on top: namespaces, mounts and kernel keyrings. Most of it needs a
// capability anyway; it is the first one, a user namespace, that would hand those out.
var notInSessions = []string{
	"add_key", "bpf", "chroot", "fanotify_init", "fsconfig", "fsmount", "fsopen", "fspick", "kcmp", "keyctl", "memfd_secret", "modify_ldt", "mount",
	"mount_setattr", "move_mount", "move_pages", "open_tree", "pivot_root", "reboot", "request_key", "setdomainname",
	"sethostname", "setns", "umount2", "unshare", "vhangup",
}

// machineFilter holds for all of a pod, docker run --privileged included.
func machineFilter() filter {
	return filter{neverNeeded, deniedArguments()}
}

// sessionFilter holds for callers' commands.
func sessionFilter() filter {
	const newNamespaces = unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWUSER |
		unix.CLONE_NEWPID | unix.CLONE_NEWNET
	return filter{notInSessions, []rule{
		{unix.SYS_CLONE, unix.EPERM, []argument{{0, newNamespaces, anyBit}}},
		// Its flags lie in memory, where a filter cannot see them. C libraries fall back to clone.
		{unix.SYS_CLONE3, unix.ENOSYS, nil},
	}}
}

// deniedArguments are the calls of which only some uses are denied.
func deniedArguments() []rule {
	var rules []rule
	for _, family := range []uint32{
		unix.AF_ALG, unix.AF_KEY, unix.AF_RDS, unix.AF_RXRPC, unix.AF_TIPC, unix.AF_XDP,
		unix.AF_VSOCK, // a network namespace does not confine it before Linux 7.0
	} {
		rules = append(rules, rule{unix.SYS_SOCKET, unix.EPERM, []argument{{0, family, equal}}})
	}
	for _, request := range []uint32{
		unix.TIOCSTI, unix.TIOCLINUX, // typing into somebody's terminal
		0x50009401, 0x5000940e, 0x5000940f, 0x50009417, 0x50009418, 0x5000943f, // BTRFS_IOC_{SNAP,SUBVOL}_*, linux/btrfs.h
	} {
		rules = append(rules, rule{unix.SYS_IOCTL, unix.EPERM, []argument{{1, request, equal}}})
	}
	return append(append(rules, coreLimit()...),
		rule{unix.SYS_SOCKET, unix.EPERM, []argument{{0, unix.AF_NETLINK, equal}, {2, unix.NETLINK_XFRM, equal}}},
		rule{unix.SYS_SETSOCKOPT, unix.EPERM, []argument{{1, unix.IPPROTO_TCP, equal}, {2, unix.TCP_ULP, equal}}})
}

// coreLimit keeps the limit of core dumps at 1, which noCores has set: lowered to 0, it would let a crash start the host's helper again.
// Programs that keep secrets, such as ssh-agent and gpg, lower it and give up on an error: they are told that they have.
func coreLimit() []rule {
	resource := argument{1, unix.RLIMIT_CORE, equal}
	return []rule{
		{unix.SYS_SETRLIMIT, success, []argument{{0, unix.RLIMIT_CORE, equal}}},
		// prlimit(2) without a new limit only reads: the pointer to it is null in both its halves.
		{unix.SYS_PRLIMIT64, success, []argument{resource, {2, anything, anyBit}}},
		{unix.SYS_PRLIMIT64, success, []argument{resource, {2 + highHalf, anything, anyBit}}},
	}
}

// noCores sets the limit of core dumps to exactly 1, soft and hard: the one value with which the kernel starts no helper of a piped
// core_pattern (core(5), fs/coredump.c). That helper would be the host's root, and what it reads the pod's making.
func noCores() error {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{Cur: 1, Max: 1}); err != nil {
		return fmt.Errorf("cannot limit core dumps: %w", err)
	}
	return nil
}

// rule denies a call with an error where all of its arguments match.
type rule struct {
	call      uint32
	denied    unix.Errno
	arguments []argument
}

// argument is compared by its low 32 bits alone: the kernel takes these arguments as int and ignores the rest, so that
// 0x100000026 is AF_ALG too.
type argument struct {
	index uint32
	value uint32
	match bpf.JumpTest
}

const (
	equal  = bpf.JumpEqual
	anyBit = bpf.JumpBitsSet

	anything = ^uint32(0)
	success  = unix.Errno(0) // the call is not made, and looks as if it had been

	// highHalf, added to an index, is the other half of the argument, for a pointer.
	highHalf = 1 << 4
)

// Offsets in struct seccomp_data (seccomp(2)).
const (
	offCall      = 0
	offArch      = 4
	offArguments = 16
)

// assemble makes the program: first the architecture, then the rules, then the library's search through the names. The
// library lets every call of another architecture pass when the default is to allow, so that int 0x80 would be the way around
// a list like this one; and it compares arguments by all 64 bits. Both are why the first two parts are here.
func (f filter) assemble() ([]bpf.RawInstruction, error) {
	native, err := arch.GetInfo("")
	if err != nil {
		return nil, err
	}
	program := []bpf.Instruction{
		bpf.LoadAbsolute{Off: offArch, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(native.ID), SkipTrue: 1},
		bpf.RetConstant{Val: deny(unix.ENOSYS)},
	}
	for _, r := range f.rules {
		program = append(program, r.assemble()...)
	}
	policy := seccomp.Policy{
		DefaultAction: seccomp.ActionAllow,
		Syscalls:      []seccomp.SyscallGroup{{Names: f.names, Action: seccomp.ActionErrno}}, // EPERM
	}
	names, err := policy.Assemble()
	if err != nil {
		return nil, err
	}
	return bpf.Assemble(append(program, names...))
}

// assemble makes a block that returns, or falls through to what comes behind it.
func (r rule) assemble() []bpf.Instruction {
	block := []bpf.Instruction{bpf.RetConstant{Val: deny(r.denied)}}
	test := func(off uint32, match bpf.JumpTest, value uint32) {
		miss := bpf.JumpIf{Cond: match, Val: value, SkipFalse: uint8(len(block))}
		block = append([]bpf.Instruction{bpf.LoadAbsolute{Off: off, Size: 4}, miss}, block...)
	}
	for _, a := range r.arguments {
		off := offArguments + 8*(a.index&^highHalf) // little-endian: the low half first
		if a.index&highHalf != 0 {
			off += 4
		}
		test(off, a.match, a.value)
	}
	test(offCall, equal, r.call)
	return block
}

func deny(errno unix.Errno) uint32 { return unix.SECCOMP_RET_ERRNO | uint32(errno) }

// compile makes the code of the program that seccomp(2) takes.
func (f filter) compile() ([]unix.SockFilter, error) {
	raw, err := f.assemble()
	if err != nil {
		return nil, fmt.Errorf("cannot assemble the seccomp filter: %w", err)
	}
	code := make([]unix.SockFilter, len(raw))
	for i, in := range raw {
		code[i] = unix.SockFilter{Code: in.Op, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	return code, nil
}

// loadFilter installs a filter on every thread of the process, and so on everything that it starts.
func loadFilter(f filter) error {
	code, err := f.compile()
	if err != nil {
		return err
	}
	program := unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC,
		uintptr(unsafe.Pointer(&program)))
	if errno != 0 {
		return fmt.Errorf("cannot load the seccomp filter: %w", errno)
	}
	return nil
}
