package pod

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"forkgate/nsjail/bare"
	"forkgate/nsjail/idmap"
	"forkgate/nsjail/wire"
)

// site is where a half is built: by a thread of its own, which stops once, where nothing more can be done without knowing whose pod it
// is to be.
type site struct {
	tree    *tree
	theirs  *os.File      // the init's end of the socket
	stopped chan struct{} // closed where the thread waits
	proceed chan bool     // the word to go on; closed without one, the half is given up
	done    chan error    // what came of it
}

var errGivenUp = errors.New("the pod is given up before it was anybody's")

// prepare builds a half as far as it can be built for anybody.
func (b *builder) prepare(h *half) error {
	at := &site{stopped: make(chan struct{}), proceed: make(chan bool), done: make(chan error, 1)}
	err := b.openSite(h, at)
	if err != nil {
		h.bear() // nobody is to wait for its init
		return err
	}
	go b.raise(h, at)
	select {
	case <-at.stopped:
		h.site = at
		return nil
	case err := <-at.done:
		return err
	}
}

func (b *builder) openSite(h *half, at *site) (err error) {
	if at.tree, err = b.openTree(); err != nil {
		return err
	}
	if h.conn, at.theirs, err = wire.Pair(); err != nil {
		at.tree.close()
	}
	return err
}

// raise builds a half on a thread of its own.
func (b *builder) raise(h *half, at *site) {
	// This thread ends up in other namespaces and with another root: it must die with the goroutine.
	runtime.LockOSThread()
	defer close(at.done)
	defer at.theirs.Close()
	defer at.tree.close()
	defer h.bear()
	if err := b.assemble(h, at); err != nil {
		at.done <- fmt.Errorf("cannot start the %s half: %w", h.kind.name, err)
	}
}

// hold waits for the word to go on.
func (at *site) hold() error {
	close(at.stopped)
	if !<-at.proceed {
		return errGivenUp
	}
	return nil
}

// construct builds a half, or the rest of one that is prepared, and returns when its init is a program that has everything it needs.
func (b *builder) construct(h *half) error {
	if h.site == nil {
		if err := b.prepare(h); err != nil {
			return err
		}
	}
	// Here and not on the thread, which is in another mount namespace: open_tree(2) refuses descriptors of another.
	if err := b.openOwn(h.site.tree, h.kind); err != nil {
		return err
	}
	h.site.proceed <- true
	err := <-h.site.done
	h.site = nil
	return err
}

// giveUp ends the building of a half that was prepared and is not wanted, and waits for that.
func (h *half) giveUp() {
	if h.site != nil {
		close(h.site.proceed)
		<-h.site.done
		h.site = nil
	}
}

// assemble is the sequence that makes a half; each step stands where it does for a reason.
func (b *builder) assemble(h *half, at *site) error {
	tree := at.tree
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
	birth, err := b.spawn(h.kind, h.cgroup, append([]*os.File{at.theirs, h.cgroup}, h.files...))
	defer birth.close()
	if birth.process != nil {
		h.init = birth.process.Process
		go h.reap()
	}
	h.bear()
	if err != nil {
		return err
	}
	// sysfs, mqueue, cgroup and proc show the namespaces of who mounts them. The hostname is that of who sets it.
	if err := h.enter(unix.CLONE_NEWNET, unix.CLONE_NEWIPC, unix.CLONE_NEWCGROUP, unix.CLONE_NEWPID, unix.CLONE_NEWUTS); err != nil {
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
	// All that follows is of one tree. A pod that is built ahead of its fork waits here: nothing of anybody's has run in it.
	if err := at.hold(); err != nil {
		return err
	}
	if err := tree.attachOwn(b.staging); err != nil {
		return err
	}
	if err := unix.Sethostname([]byte(b.spec.Hostname)); err != nil {
		return fmt.Errorf("cannot set the hostname: %w", err)
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
