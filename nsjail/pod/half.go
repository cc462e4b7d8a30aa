package pod

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"forkgate/nsjail/bare"
	"forkgate/nsjail/idmap"
	"forkgate/nsjail/wire"
)

// kind is which half a half is.
type kind struct {
	name  string // first argument of its init
	flags uintptr
}

var (
	machineHalf = kind{"machine",
		unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS}
	// The session half lives in the machine's network, with no capability over it: it has a user namespace of its own.
	sessionHalf = kind{"sessions",
		unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS}
)

// half is one of the two: its pid 1 and the socket to it.
type half struct {
	kind    kind
	cgroup  *os.File
	network *half      // whose network it lives in; nil: its own
	files   []*os.File // handed to the init, behind its socket and its cgroup

	born chan struct{} // closed when there is an init, or will never be one
	init *os.Process
	conn *wire.Conn
	dead chan struct{} // closed when the init has ended
}

func newHalf(k kind, cgroup *os.File, network *half, files ...*os.File) *half {
	return &half{kind: k, cgroup: cgroup, network: network, files: files, born: make(chan struct{}), dead: make(chan struct{})}
}

// handshake is how long an init may take for one step.
const handshake = 20 * time.Second

// start builds a half and waits until it does its work.
func (b *builder) start(h *half) error {
	if err := b.construct(h); err != nil {
		return err
	}
	return h.expect(wire.TypeReady)
}

// construct builds a half and returns when its init is a program that has everything it needs.
func (b *builder) construct(h *half) error {
	born := sync.OnceFunc(func() { close(h.born) })
	defer born()
	tree, err := b.openTree(h.kind)
	if err != nil {
		return err
	}
	defer tree.close()
	conn, theirs, err := wire.Pair()
	if err != nil {
		return err
	}
	defer theirs.Close()
	h.conn = conn
	done := make(chan error)
	go func() {
		// This thread ends up in other namespaces and with another root: it must die with the goroutine.
		runtime.LockOSThread()
		done <- b.assemble(h, tree, theirs, born)
	}()
	if err := <-done; err != nil {
		return fmt.Errorf("cannot start the %s half: %w", h.kind.name, err)
	}
	return nil
}

// assemble is the sequence that makes a half; each step stands where it does for a reason.
func (b *builder) assemble(h *half, tree *tree, theirs *os.File, born func()) error {
	// The trees are cloned already: open_tree(2) refuses descriptors of another mount namespace, which is what every
	// descriptor of the host's becomes now.
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("cannot make a mount namespace: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("cannot cut the mount namespace off: %w", err)
	}
	if err := tree.attach(b.staging); err != nil {
		return err
	}
	// The network has to be entered before the init is made: it is born in the network of the thread.
	if h.network != nil {
		<-h.network.born
		if err := h.network.enter(unix.CLONE_NEWNET); err != nil {
			return err
		}
	}
	birth, err := b.spawn(h.kind, h.cgroup, append([]*os.File{theirs, h.cgroup}, h.files...))
	defer birth.close()
	if birth.process != nil {
		h.init = birth.process.Process
		go h.reap()
	}
	born()
	if err != nil {
		return err
	}
	// sysfs, mqueue, cgroup and proc show the namespaces of who mounts them.
	if err := h.enter(unix.CLONE_NEWNET, unix.CLONE_NEWIPC, unix.CLONE_NEWCGROUP, unix.CLONE_NEWPID); err != nil {
		return err
	}
	if err := tree.mountKernel(h.kind); err != nil {
		return err
	}
	// It has to be there before the tree is locked: what the pod mounts later, the pod's root can take off, and see the host's proc
	// below it.
	if err := mountProc(tree.root); err != nil {
		return err
	}
	// pivot_root moves the root of every process of this mount namespace that stands in the old one, the waiting init too.
	if err := pivot(tree.root); err != nil {
		return err
	}
	// The init now unshares its own mount namespace, as the pod's root: that locks every mount of the copy.
	return birth.finish()
}

// mountProc has a child mount a proc below root: the calling thread has entered the half's pid namespace, which is where only its
// children are.
func mountProc(root *os.File) error {
	on, err := idmap.OpenBeneath(root, "proc", unix.O_PATH)
	if err != nil {
		return err
	}
	defer on.Close()
	memory, err := bare.NewArena(os.Getpagesize())
	if err != nil {
		return err
	}
	defer memory.Close()
	child, err := bare.Start(bare.CloneArgs{}, memory, func(p *bare.Program, _ uintptr) {
		p.Do("enter its place", unix.SYS_FCHDIR, on.Fd())
		p.Mount("mount it", "proc", ".", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
	})
	if err != nil {
		return fmt.Errorf("cannot mount proc: %w", err)
	}
	defer child.End()
	if err := child.Finish(); err != nil {
		return fmt.Errorf("cannot mount proc: %w", err)
	}
	if end, err := child.Wait(); err != nil || !end.Success() {
		return fmt.Errorf("cannot mount proc: its child ended with %v, %w", end, err)
	}
	return nil
}

// pivot makes root the root of this mount namespace and lets go of the old one (pivot_root(2), "pivot_root(".", ".")").
func pivot(root *os.File) error {
	if err := unix.Fchdir(int(root.Fd())); err != nil {
		return fmt.Errorf("cannot enter the pod's root: %w", err)
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("cannot pivot: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("cannot let go of the host's root: %w", err)
	}
	return nil
}

// enter joins the calling thread to namespaces of the half's init.
func (h *half) enter(namespaces ...int) error {
	if h.init == nil {
		return fmt.Errorf("there is no %s init to share a namespace with", h.kind.name)
	}
	fd, err := unix.PidfdOpen(h.init.Pid, 0)
	if err != nil {
		return fmt.Errorf("cannot enter the %s: %w", h.kind.name, err)
	}
	defer unix.Close(fd)
	all := 0
	for _, ns := range namespaces {
		all |= ns
	}
	if err := unix.Setns(fd, all); err != nil {
		return fmt.Errorf("cannot enter the %s's namespaces: %w", h.kind.name, err)
	}
	return nil
}

func (h *half) send(kind string, body any) error {
	_ = h.conn.SetDeadline(time.Now().Add(handshake))
	return h.conn.Send(0, kind, body)
}

// expect waits for the init's next message, which must be of one type.
func (h *half) expect(kind string) error {
	_ = h.conn.SetDeadline(time.Now().Add(handshake))
	m, files, err := h.conn.Receive()
	wire.CloseAll(files)
	if err != nil {
		return fmt.Errorf("the %s init did not get as far as %q: %w", h.kind.name, kind, err)
	}
	if m.Type != kind {
		return fmt.Errorf("the %s init says %.40q, not %q", h.kind.name, m.Type, kind)
	}
	return nil
}

// watch ends the pod when the half does.
func (h *half) watch(end context.CancelCauseFunc) {
	<-h.dead
	end(fmt.Errorf("%w: %s", ErrDied, h.kind.name))
}

func (h *half) reap() {
	defer close(h.dead)
	_, _ = h.init.Wait()
}

// grace is how long the containers of a pod have, together, when it is stopped.
const grace = time.Minute

// stop has the half end by itself, and kills it when that takes too long.
func (h *half) stop() {
	defer h.kill()
	if h.init == nil {
		return
	}
	if err := h.send(wire.TypeStop, struct{}{}); err != nil {
		return
	}
	select {
	case <-h.dead:
	case <-time.After(grace):
	}
}

// kill ends the half at once: the kernel takes all of a pid namespace down with its pid 1.
func (h *half) kill() {
	if h.conn != nil {
		h.conn.Close()
	}
	if h.init != nil {
		_ = h.init.Kill()
		<-h.dead
	}
}
