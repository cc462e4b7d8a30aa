package fork

import (
	"context"
	"fmt"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// linux/btrfs.h
const (
	ioctlSync      = 0x9408     // BTRFS_IOC_SYNC: writes all that waits to be written, and commits
	ioctlStartSync = 0x80089418 // BTRFS_IOC_START_SYNC: begins a commit of what is written, and says which it is
	ioctlWaitSync  = 0x40089416 // BTRFS_IOC_WAIT_SYNC: waits for one
)

// Room is how much of the pool is left, in bytes, and how much is kept in reserve for grand trees. Below the reserve nothing is
// made; below half of it forks are ended: a fork that writes nothing can still fill the pool, because what production rewrites
// stays on the disk for as long as a fork shares the old data, and no quota counts that.
type Room struct{ Free, Reserve uint64 }

// Tight says that forks have to go.
func (r Room) Tight() bool { return r.Free < r.Reserve/2 }

// Urgent says that production may meet a full disk before what it has written is on it.
func (r Room) Urgent() bool { return r.Free < r.Reserve/4 }

// maxReserve is what production can write on a fast disk while the space of a removed fork comes back, with something to spare.
const maxReserve = 10 << 30

// Room looks at the store's own pool.
func (s *Store) Room() (Room, error) { return roomIn(s.pool, s.sysfs) }

// RoomIn looks at the pool mounted at path.
func RoomIn(path string) (Room, error) {
	sysfs, err := sysfsDir(path)
	if err != nil {
		return Room{}, err
	}
	return roomIn(path, sysfs)
}

// roomIn looks. statfs(2) counts what was written only when it is committed, which may be half a minute and gigabytes later, so what
// is under way is taken off.
func roomIn(path, sysfs string) (Room, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(path, &fs); err != nil {
		return Room{}, fmt.Errorf("cannot tell how full the pool is: %w", err)
	}
	free, total := fs.Bavail*uint64(fs.Bsize), fs.Blocks*uint64(fs.Bsize)
	for _, name := range []string{"allocation/data/bytes_reserved", "allocation/data/bytes_may_use"} {
		bytes, err := kernelSays(sysfs, name)
		if err != nil {
			return Room{}, fmt.Errorf("cannot tell how full the pool is: %w", err)
		}
		free -= min(free, bytes)
	}
	return Room{Free: free, Reserve: min(total/10, maxReserve)}, nil
}

// settledRoom looks again where there is too little after a commit: before it, what was overwritten counts as used too.
func (s *Store) settledRoom(enough func(Room) bool) (Room, error) {
	room, err := s.Room()
	if err != nil || enough(room) {
		return room, err
	}
	if err := s.withPool(commit); err != nil {
		return Room{}, err
	}
	return s.Room()
}

// commit makes what is freed usable, and wakes the thread that frees removed subvolumes. It does not write what waits in memory, which
// takes seconds while production writes on: in that time the disk was full.
func commit(pool *os.File) error {
	var transaction uint64
	err := ioctl(pool, ioctlStartSync, unsafe.Pointer(&transaction))
	if err == nil {
		err = ioctl(pool, ioctlWaitSync, unsafe.Pointer(&transaction))
	}
	if err != nil {
		return fmt.Errorf("cannot commit: %w", err)
	}
	return nil
}

// flush writes what waits in memory: what that overwrites is free after it, where no fork shares it.
func flush(pool *os.File) error {
	if err := ioctl(pool, ioctlSync, nil); err != nil {
		return fmt.Errorf("cannot write what waits: %w", err)
	}
	return nil
}

// checkRoom refuses to make anything when the pool is nearly full: production must never meet a full disk because of a fork. Nor is anything begun
// that cannot be undone: its record would stay.
func (s *Store) checkRoom() error {
	if err := takesWrites(s.pool); err != nil {
		return err
	}
	room, err := s.settledRoom(func(r Room) bool { return r.Free >= r.Reserve })
	if err != nil {
		return err
	}
	if room.Free < room.Reserve {
		return fmt.Errorf("%w: %d MiB free, %d MiB are kept in reserve; remove forks or enlarge the pool",
			ErrPoolFull, room.Free>>20, room.Reserve>>20)
	}
	return nil
}

// goneWithin bounds the wait for a fork's space. It is back in a second unless the fork is huge or something that does not die
// holds it.
const goneWithin = time.Minute

// end removes a fork and waits for its space.
func (s *Store) end(ctx context.Context, t Tree) error {
	pool, err := os.Open(s.pool)
	if err != nil {
		return err
	}
	defer pool.Close()
	ids, err := members(pool, t.Slot)
	if err != nil {
		return err
	}
	if err := s.remove(ctx, t, goes); err != nil {
		return err
	}
	for deadline := time.Now().Add(goneWithin); ; {
		// The first commit makes the removal known to the thread that frees, a later one makes what it freed usable.
		if err := commit(pool); err != nil {
			return err
		}
		if len(ids) == 0 {
			return nil
		}
		if ids, err = remaining(pool, ids); err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("subvolumes %v are removed but not gone: something holds them", ids)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(often / 5):
		}
	}
}

// remaining leaves out the subvolumes that are gone.
func remaining(pool *os.File, ids []uint64) (left []uint64, err error) {
	for _, id := range ids {
		isGone, err := gone(pool, id)
		if err != nil {
			return nil, err
		}
		if !isGone {
			left = append(left, id)
		}
	}
	return left, nil
}
