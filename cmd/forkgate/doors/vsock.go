package doors

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// vsocket is a socket of vsock(7) that listens: machines beside this one, and what this one runs on, reach it without a network.
type vsocket struct {
	cid, port uint32
	inode     string
}

// What the kernel says of one (include/uapi/linux/vm_sockets_diag.h).
const (
	listens     = 10 // TCP_LISTEN in include/net/tcp_states.h, which vsock has as well
	messageSize = 32 // of struct vsock_diag_msg
)

// vsockets asks the kernel, as ss --vsock does. Where it has no vsock_diag the processes are asked that hold such sockets.
func vsockets() ([]vsocket, error) {
	request := nl.NewNetlinkRequest(unix.SOCK_DIAG_BY_FAMILY, unix.NLM_F_DUMP)
	question := make([]byte, 24) // struct vsock_diag_req
	question[0] = unix.AF_VSOCK
	binary.NativeEndian.PutUint32(question[4:], 1<<listens)
	request.AddRawData(question)
	answers, err := request.Execute(unix.NETLINK_SOCK_DIAG, 0)
	if errors.Is(err, unix.ENOENT) {
		return heldVsockets()
	}
	if err != nil {
		return nil, fmt.Errorf("the kernel does not say what listens on vsock: %w", err)
	}
	return vsocketsOf(answers)
}

// vsocketsOf reads answers, struct vsock_diag_msg each.
func vsocketsOf(answers [][]byte) (all []vsocket, err error) {
	for _, m := range answers {
		if len(m) < messageSize || m[0] != unix.AF_VSOCK {
			return nil, fmt.Errorf("what the kernel says of vsock is not understood: % x", m)
		}
		if m[2] != listens {
			continue
		}
		word := func(at int) uint32 { return binary.NativeEndian.Uint32(m[at:]) }
		all = append(all, vsocket{cid: word(4), port: word(8), inode: fmt.Sprint(word(20))})
	}
	return all, nil
}

// heldVsockets takes a copy of each such socket that a process has, to ask it: what the kernel says by files is that it is one, and no more.
func heldVsockets() (all []vsocket, err error) {
	held, err := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, fd := range held {
		var protocol [32]byte
		if n, err := unix.Getxattr(fd, "system.sockprotoname", protocol[:]); err != nil || strings.TrimRight(string(protocol[:n]), "\x00") != "AF_VSOCK" {
			continue
		}
		link, err := os.Readlink(fd)
		if err != nil { // closed since
			continue
		}
		one, listening, err := askVsocket(fd)
		if errors.Is(err, unix.ESRCH) || errors.Is(err, unix.EBADF) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("%s is a socket of vsock that cannot be asked: %w", fd, err)
		}
		if listening {
			one.inode = strings.TrimSuffix(strings.TrimPrefix(link, "socket:["), "]")
			all = append(all, one)
		}
	}
	return all, err
}

// askVsocket asks a socket, by its name in /proc, what it is bound to and whether it listens (pidfd_getfd(2), socket(7)).
func askVsocket(name string) (one vsocket, listening bool, err error) {
	f := strings.Split(name, "/")
	pid, err := strconv.Atoi(f[2])
	if err != nil {
		return one, false, err
	}
	number, err := strconv.Atoi(f[4])
	if err != nil {
		return one, false, err
	}
	process, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return one, false, err
	}
	defer unix.Close(process)
	fd, err := unix.PidfdGetfd(process, number, 0)
	if err != nil {
		return one, false, err
	}
	defer unix.Close(fd)
	accepts, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	if err != nil || accepts == 0 {
		return one, false, err
	}
	address, err := unix.Getsockname(fd)
	if at, ok := address.(*unix.SockaddrVM); ok {
		one.cid, one.port = at.CID, at.Port
	}
	return one, true, err
}

// vsock are the listeners there. Where the kernel knows no such protocol yet nothing listens, and asking would load it.
func (h *Host) vsock() (all []listener, err error) {
	known, ok, _ := h.read("proc/net/protocols")
	if ok && !strings.Contains(known, "AF_VSOCK") {
		return nil, nil
	}
	found, err := h.Vsock()
	for _, one := range found {
		if one.cid != unix.VMADDR_CID_LOCAL {
			all = append(all, listener{port: one.port, proto: "vsock", inode: one.inode})
		}
	}
	return all, err
}
