package inside

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"

	"forkgate/nsjail/bare"
)

// zygoteProcess is session init's side of the zygote.
type zygoteProcess struct {
	mu     sync.Mutex // one script at a time
	socket *os.File
	arenas chan *bare.Arena // those that no session is being made from
}

// arenaSize holds a command and an environment as long as a message can be, twice over.
const arenaSize = 2 << 20

// errNoZygote says that the zygote died. So must session init.
var errNoZygote = errors.New("the zygote died")

// newZygote forks it. Whatever memory scripts are to lie in has to be there before; so has what all of them share.
func newZygote(scope *os.File) (*zygoteProcess, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot make a socket pair: %w", err)
	}
	z := &zygoteProcess{socket: os.NewFile(uintptr(fds[0]), "zygote"), arenas: make(chan *bare.Arena, maxStarting)}
	theirs := os.NewFile(uintptr(fds[1]), "zygote")
	defer theirs.Close()
	all, err := bare.NewArena(maxStarting * arenaSize) // one mapping: each is copied with every fork
	if err != nil {
		return nil, fmt.Errorf("cannot fork the zygote: %w", err)
	}
	for _, part := range all.Split(arenaSize) {
		z.arenas <- part
	}
	own, err := bare.NewArena(1 << 16)
	if err != nil {
		return nil, fmt.Errorf("cannot fork the zygote: %w", err)
	}
	first := &bare.Program{Memory: own}
	first.Do("take the orders' socket", unix.SYS_DUP3, theirs.Fd(), zygoteOrders, 0)
	if scope == nil {
		scope = os.Stdin // to fill the place
	}
	first.Do("take the scope", unix.SYS_DUP3, scope.Fd(), zygoteScope, unix.O_CLOEXEC)
	first.Do("close the rest", unix.SYS_CLOSE_RANGE, zygoteFiles, bare.MinusOne, 0)
	o := &bare.Store(own, []orders{{}})[0]
	o.vector = unix.Iovec{Base: (*byte)(unsafe.Pointer(&o.script)), Len: uint64(unsafe.Sizeof(o.script))}
	o.header = unix.Msghdr{Iov: &o.vector, Iovlen: 1, Control: &o.control[0]}
	if _, errno := forkZygote(first.Ready(), o); errno != 0 {
		return nil, fmt.Errorf("cannot fork the zygote: %w", errno)
	}
	return z, nil
}

// memory lends an arena, empty, until the second function is called.
func (z *zygoteProcess) memory() (*bare.Arena, func()) {
	a := <-z.arenas
	a.Reset()
	return a, func() { z.arenas <- a }
}

// carryOut has the zygote make a session from a script and returns the pid of its pid 1, a child of this process. The script
// sees the files as zygoteFiles, zygoteFiles+1 and so on.
func (z *zygoteProcess) carryOut(s *script, files []*os.File) (pid int, err error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	fds := make([]int, len(files))
	for i, f := range files {
		fds[i] = int(f.Fd())
	}
	address := uintptr(unsafe.Pointer(s))
	data := (*[unsafe.Sizeof(address)]byte)(unsafe.Pointer(&address))[:]
	if err := unix.Sendmsg(int(z.socket.Fd()), data, unix.UnixRights(fds...), nil, unix.MSG_NOSIGNAL); err != nil {
		return 0, errors.Join(errNoZygote, err)
	}
	var b born
	n, err := z.socket.Read((*[unsafe.Sizeof(b)]byte)(unsafe.Pointer(&b))[:])
	if err != nil || n != int(unsafe.Sizeof(b)) {
		return 0, errors.Join(errNoZygote, err)
	}
	if b.Errno != 0 {
		return 0, fmt.Errorf("cannot start a session: %w", unix.Errno(b.Errno))
	}
	return int(b.PID), nil
}
