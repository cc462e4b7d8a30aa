package inside

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// call is one system call of a program: something to do, or something that must not work any more.
type call struct {
	what   string
	number uintptr
	args   [6]uintptr
	want   unix.Errno // 0: it has to succeed; otherwise it has to fail with this, or as the words below say
}

const (
	wantFailure  = ^unix.Errno(0)     // it has to fail, no matter how
	wantAnything = ^unix.Errno(0) - 1 // it may fail
)

// program is a list of system calls for a process that can run no Go: everything that it needs lies ready, at addresses that
// stay. It is made by a process that can, and is free of it once pins are released.
type program struct {
	calls []call
	pins  *runtime.Pinner
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
	c := call{what: what, number: number, want: want}
	copy(c.args[:], args)
	p.calls = append(p.calls, c)
}

// text is the address of a C string. What cannot be one (a zero byte inside) ends there.
func (p *program) text(s string) uintptr {
	b := append([]byte(s), 0)
	p.pins.Pin(&b[0])
	return uintptr(unsafe.Pointer(&b[0]))
}

// texts is the address of a list of C strings that ends with a null pointer, as execve(2) takes them.
func (p *program) texts(list []string) uintptr {
	pointers := make([]uintptr, len(list)+1)
	for i, s := range list {
		pointers[i] = p.text(s)
	}
	return address(p, &pointers[0])
}

// address keeps a value where it is and tells where.
func address[T any](p *program, value *T) uintptr {
	p.pins.Pin(value)
	return uintptr(unsafe.Pointer(value))
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
