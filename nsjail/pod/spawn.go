package pod

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"forkgate/nsjail/idmap"
)

// spawn makes the init: pid 1 of new namespaces, root of the pod's ids, in its cgroup, with nothing but the files.
func (b *builder) spawn(k kind, cgroup *os.File, files []*os.File) (*os.Process, error) {
	ids := []syscall.SysProcIDMap{{ContainerID: 0, HostID: int(b.spec.SubUID), Size: idmap.Count}}
	null, err := os.OpenFile(os.DevNull, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	all := append([]*os.File{null, b.output, b.output}, files...)
	var p *os.Process
	err = asOwner(int(b.spec.SubUID), func() error {
		p, err = os.StartProcess(fmt.Sprintf("/proc/self/fd/%d", b.tool.Fd()), []string{"init", k.name}, &os.ProcAttr{
			Dir: "/", Env: []string{}, Files: all,
			Sys: &syscall.SysProcAttr{
				Cloneflags: k.flags, UidMappings: ids, GidMappings: ids, GidMappingsEnableSetgroups: true,
				Credential:  &syscall.Credential{}, // 0, of the new user namespace
				UseCgroupFD: true, CgroupFD: int(cgroup.Fd()),
				Setsid: true,
			},
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("cannot start the %s init: %w", k.name, err)
	}
	return p, nil
}

// keepOverSetuid is SECBIT_NO_SETUID_FIXUP (linux/securebits.h).
const keepOverSetuid = 1 << 2

// asOwner has the calling thread be another user while it makes a user namespace. All that the kernel counts per user (inotify(7) instances
// and watches, fanotify groups, namespaces) it counts inside for the user there, and above for who made the namespace (kernel/ucount.c):
// made by the host's root, one pod could leave the other pods and the host's own services none.
//
// The thread keeps its capabilities, which writing the map of ids takes.
func asOwner(id int, do func() error) (err error) {
	if err := unix.Prctl(unix.PR_SET_SECUREBITS, keepOverSetuid, 0, 0, 0); err != nil {
		return fmt.Errorf("cannot keep the capabilities: %w", err)
	}
	become := func(id int) error {
		// Not unix.Setresuid, which is for all threads.
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, ^uintptr(0), uintptr(id), ^uintptr(0)); errno != 0 {
			return fmt.Errorf("cannot become the user %d: %w", id, errno)
		}
		return nil
	}
	if err := become(id); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, become(0)) }()
	return do()
}
