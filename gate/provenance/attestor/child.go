package attestor

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"forkgate/gate/provenance/chain"
)

// Relay is the child that relays: it becomes the caller and then connects to the caller's agent. It returns when one of the two has
// hung up.
func Relay(stdin io.Reader) error {
	var order relayOrder
	if err := json.NewDecoder(io.LimitReader(stdin, 1<<20)).Decode(&order); err != nil {
		return fmt.Errorf("cannot read the order: %w", err)
	}
	// This thread alone enters the caller's mount namespace; it connects there, and does not go back.
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_FS); err != nil { // threads that share a root directory cannot enter one
		return fmt.Errorf("cannot enter the caller's files: %w", err)
	}
	if err := unix.Setns(4, unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("cannot enter the caller's files: %w", err)
	}
	if err := become(order.UID, order.GID, order.Groups); err != nil {
		return err
	}
	// From here on everything is the caller's, and done with the caller's rights.
	own, err := connect(order.Socket)
	if err != nil {
		return fmt.Errorf("cannot connect to the caller's agent: %w", err)
	}
	defer own.Close()
	callerFile := os.NewFile(3, "caller")
	defer callerFile.Close()
	caller, err := net.FileConn(callerFile)
	if err != nil {
		return fmt.Errorf("cannot talk with the caller: %w", err)
	}
	defer caller.Close()
	if _, err := own.Write(framed(order.First)); err != nil {
		return fmt.Errorf("cannot talk with the caller's agent: %w", err)
	}
	pump(caller, own)
	return nil
}

// connect must run in the thread that has entered the caller's files.
func connect(path string) (net.Conn, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "agent")
	defer f.Close()
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		return nil, err
	}
	return net.FileConn(f)
}

// Mark is the child that marks a process, with that process's own ids.
func Mark(pid int) error {
	p, err := chain.Read(os.DirFS("/proc"), pid)
	if err != nil {
		return err
	}
	if p.UIDs != [4]uint32{p.UID(), p.UID(), p.UID(), p.UID()} {
		return fmt.Errorf("process %d has several user ids", pid)
	}
	if err := become(p.UID(), p.GID, nil); err != nil {
		return err
	}
	return lowerQueue(pid)
}

// plainPriority gives up the daemon's priority, in all threads: it is for looking at processes, and not for what a caller has relayed.
func plainPriority() error {
	const plain = 20 // the kernel's own count, 20 less the nice value: getpriority(2), C library/kernel differences
	now, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err != nil {
		return fmt.Errorf("cannot see the priority: %w", err)
	}
	if now <= plain {
		return nil
	}
	if _, _, errno := syscall.AllThreadsSyscall(unix.SYS_SETPRIORITY, unix.PRIO_PROCESS, 0, 0); errno != 0 {
		return fmt.Errorf("cannot give up the priority: %w", errno)
	}
	return nil
}

// become gives up root for good, in all threads: groups while that is still allowed, then the ids, then whatever capabilities are
// left, which are those of a caller that is root itself.
func become(uid, gid uint32, groups []uint32) error {
	if err := plainPriority(); err != nil {
		return err
	}
	ids := make([]int, len(groups))
	for i, g := range groups {
		ids[i] = int(g)
	}
	if err := syscall.Setgroups(ids); err != nil {
		return fmt.Errorf("cannot become uid %d: %w", uid, err)
	}
	if err := syscall.Setresgid(int(gid), int(gid), int(gid)); err != nil {
		return fmt.Errorf("cannot become uid %d: %w", uid, err)
	}
	if err := syscall.Setresuid(int(uid), int(uid), int(uid)); err != nil {
		return fmt.Errorf("cannot become uid %d: %w", uid, err)
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	_, _, errno := syscall.AllThreadsSyscall(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&none[0])), 0)
	if errno != 0 {
		return fmt.Errorf("cannot drop capabilities: %w", errno)
	}
	if _, _, errno := syscall.AllThreadsSyscall6(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0); errno != 0 {
		return fmt.Errorf("cannot forbid new privileges: %w", errno)
	}
	var have [2]unix.CapUserData
	if err := unix.Capget(&header, &have[0]); err != nil {
		return fmt.Errorf("cannot see that capabilities are gone: %w", err)
	}
	if have != none || os.Getuid() != int(uid) || os.Geteuid() != int(uid) {
		return errors.New("privileges are left")
	}
	return nil
}
