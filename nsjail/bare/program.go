package bare

import (
	"errors"
	"fmt"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Call is one system call of a program: something to do, or something that must not work any more.
type Call struct {
	number uintptr
	args   [6]uintptr
	least  uintptr    // what it has to return at least
	want   unix.Errno // 0: it has to succeed; otherwise it has to fail with this, or as the words below say
}

// MustFail says that the call is for what must not work any more.
func (c Call) MustFail() bool { return c.want != 0 }

const (
	WantFailure  = ^unix.Errno(0)     // it has to fail, no matter how
	WantAnything = ^unix.Errno(0) - 1 // it may fail
)

// Program is a list of system calls for a process that can run no Go: everything that it needs lies ready in memory that
// stays where it is.
type Program struct {
	Memory *Arena
	What   []string // what each call is for; only who wrote the program reads it
	calls  []Call
}

// Do adds a call that has to succeed.
func (p *Program) Do(what string, number uintptr, args ...uintptr) {
	p.Expect(0, what, number, args...)
}

// MustFail adds a call that has to fail, with want.
func (p *Program) MustFail(want unix.Errno, what string, number uintptr, args ...uintptr) {
	p.Expect(want, what, number, args...)
}

// Expect adds a call that has to end with want.
func (p *Program) Expect(want unix.Errno, what string, number uintptr, args ...uintptr) {
	p.add(Call{number: number, want: want}, what, args)
}

// Read adds a read(2) of one byte, which fails at the end of the file.
func (p *Program) Read(what string, fd uintptr) {
	p.add(Call{number: unix.SYS_READ, least: 1}, what, []uintptr{fd, Location(Store(p.Memory, []byte{0})), 1})
}

func (p *Program) add(c Call, what string, args []uintptr) {
	copy(c.args[:], args)
	p.calls = append(p.calls, c)
	p.What = append(p.What, what)
}

// Ready is the list of calls, in the program's memory.
func (p *Program) Ready() []Call { return Store(p.Memory, p.calls) }

// Text is the address of a C string. What cannot be one (a zero byte inside) ends there.
func (p *Program) Text(s string) uintptr { return Location(Store(p.Memory, append([]byte(s), 0))) }

// Texts is the address of a list of C strings that ends with a null pointer, as execve(2) takes them.
func (p *Program) Texts(list []string) uintptr {
	pointers := make([]uintptr, len(list)+1)
	for i, s := range list {
		pointers[i] = p.Text(s)
	}
	return Location(Store(p.Memory, pointers))
}

// Arguments that are negative numbers.
const (
	AtFDCWD  = ^uintptr(99) // AT_FDCWD, -100
	MinusOne = ^uintptr(0)
)

// Mount adds a mount(2).
func (p *Program) Mount(what, source, target, fstype string, flags uintptr, options string) {
	from, data := p.Text(source), uintptr(0)
	if options != "" {
		data = p.Text(options)
	}
	p.Do(what, unix.SYS_MOUNT, from, p.Text(target), p.Text(fstype), flags, data)
}

// CloseOthers adds calls that close all descriptors from first on except those kept: a process that waits must not hold what others
// wait for the end of.
func (p *Program) CloseOthers(what string, first uintptr, kept ...uintptr) {
	slices.Sort(kept)
	for _, k := range kept {
		if first < k {
			p.Do(what, unix.SYS_CLOSE_RANGE, first, k-1, 0)
		}
		first = max(first, k+1)
	}
	p.Do(what, unix.SYS_CLOSE_RANGE, first, MinusOne, 0)
}

// Await adds calls that wait for the end of who started the process: until then it has nothing to do, and then nobody to end it. Only the
// starter has the other end of the pipe that the process reports to, so this lets go of every other descriptor.
func (p *Program) Await(what string, report uintptr) {
	p.CloseOthers("let go of all else", 0, report)
	end := Store(p.Memory, []unix.PollFd{{Fd: int32(report)}}) // POLLERR is always asked for: nobody reads any more (poll(2))
	p.Do(what, unix.SYS_PPOLL, Location(end), 1, 0, 0)
}

// Attach adds the mount of a detached one on an absolute path. A symbolic link at its end is not followed.
func (p *Program) Attach(what string, fd uintptr, target string) {
	p.Do(what, unix.SYS_MOVE_MOUNT, fd, p.Text(""), AtFDCWD, p.Text(target), unix.MOVE_MOUNT_F_EMPTY_PATH)
}

// Arena is memory outside of the garbage collector's reach, which a process that is forked later sees at the same address.
type Arena struct {
	all  []byte
	free []byte
	full bool // something did not fit
}

// ErrFull says that an arena is too small for what was to be stored in it.
var ErrFull = errors.New("the arena is full")

// NewArena maps memory. What is written to it after a fork the other process sees as well.
func NewArena(size int) (*Arena, error) {
	memory, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, fmt.Errorf("cannot map memory: %w", err)
	}
	return &Arena{all: memory, free: memory}, nil
}

// Split divides an arena that nothing is stored in.
func (a *Arena) Split(size int) (parts []*Arena) {
	for rest := a.all; len(rest) >= size; rest = rest[size:] {
		part := rest[:size:size]
		parts = append(parts, &Arena{all: part, free: part})
	}
	return parts
}

// Reset forgets what is stored.
func (a *Arena) Reset() { a.free, a.full = a.all, false }

// Err is [ErrFull] where something did not fit: then nothing that was stored is to be used.
func (a *Arena) Err() error {
	if a.full {
		return ErrFull
	}
	return nil
}

// Close unmaps an arena that was not split.
func (a *Arena) Close() error { return unix.Munmap(a.all) }

// Store copies values, which must not point to memory of Go's, into the arena.
func Store[T any](a *Arena, values []T) []T {
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

// Location is the address of what Store returned.
func Location[T any](stored []T) uintptr {
	if len(stored) == 0 {
		return 0
	}
	return uintptr(unsafe.Pointer(&stored[0]))
}
