package inside

import (
	"errors"
	"unsafe"

	"golang.org/x/sys/unix"
)

// call is one system call of a program: something to do, or something that must not work any more.
type call struct {
	number uintptr
	args   [6]uintptr
	want   unix.Errno // 0: it has to succeed; otherwise it has to fail with this, or as the words below say
}

const (
	wantFailure  = ^unix.Errno(0)     // it has to fail, no matter how
	wantAnything = ^unix.Errno(0) - 1 // it may fail
)

// program is a list of system calls for a process that can run no Go: everything that it needs lies ready in memory that
// stays where it is.
type program struct {
	memory *arena
	calls  []call
	what   []string // what each call is for; only who wrote the program reads it
}

// do adds a call that has to succeed.
func (p *program) do(what string, number uintptr, args ...uintptr) {
	p.expect(0, what, number, args...)
}

// mustFail adds a call that has to fail, with want.
func (p *program) mustFail(want unix.Errno, what string, number uintptr, args ...uintptr) {
	p.expect(want, what, number, args...)
}

func (p *program) expect(want unix.Errno, what string, number uintptr, args ...uintptr) {
	c := call{number: number, want: want}
	copy(c.args[:], args)
	p.calls = append(p.calls, c)
	p.what = append(p.what, what)
}

// ready is the list of calls, in the program's memory.
func (p *program) ready() []call { return store(p.memory, p.calls) }

// text is the address of a C string. What cannot be one (a zero byte inside) ends there.
func (p *program) text(s string) uintptr { return location(store(p.memory, append([]byte(s), 0))) }

// texts is the address of a list of C strings that ends with a null pointer, as execve(2) takes them.
func (p *program) texts(list []string) uintptr {
	pointers := make([]uintptr, len(list)+1)
	for i, s := range list {
		pointers[i] = p.text(s)
	}
	return location(store(p.memory, pointers))
}

const atFDCWD = ^uintptr(99) // AT_FDCWD, -100

// mount adds a mount(2).
func (p *program) mount(what, source, target, fstype string, flags uintptr, options string) {
	from, data := p.text(source), uintptr(0)
	if options != "" {
		data = p.text(options)
	}
	p.do(what, unix.SYS_MOUNT, from, p.text(target), p.text(fstype), flags, data)
}

// attach adds the mount of a detached one on an absolute path. A symbolic link at its end is not followed.
func (p *program) attach(what string, fd uintptr, target string) {
	p.do(what, unix.SYS_MOVE_MOUNT, fd, p.text(""), atFDCWD, p.text(target), unix.MOVE_MOUNT_F_EMPTY_PATH)
}

// arena is memory outside of the garbage collector's reach, shared with the zygote.
type arena struct {
	free []byte
	full bool // something did not fit, and what has been written is not to be used
}

var errFull = errors.New("command and environment are too large")

// newArena maps memory that a process forked later sees at the same address, whatever is written to it then.
func newArena(size int) (*arena, error) {
	memory, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, err
	}
	return &arena{free: memory}, nil
}

// store copies values, which must not point to memory of Go's, into the arena.
func store[T any](a *arena, values []T) []T {
	const alignment = 8
	size := (len(values)*int(unsafe.Sizeof(*new(T))) + alignment - 1) &^ (alignment - 1)
	if size > len(a.free) || len(values) == 0 {
		a.full = a.full || len(values) != 0
		return nil
	}
	stored := unsafe.Slice((*T)(unsafe.Pointer(&a.free[0])), len(values))
	a.free = a.free[size:]
	copy(stored, values)
	return stored
}

// location is the address of what store returned.
func location[T any](stored []T) uintptr {
	if len(stored) == 0 {
		return 0
	}
	return uintptr(unsafe.Pointer(&stored[0]))
}
