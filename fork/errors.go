package fork

import "errors"

// What callers tell apart. The text of an error that wraps one of these is a line for whoever can do something about it.
var (
	ErrNotRoot      = errors.New("not root")
	ErrNoPool       = errors.New("no pool")               // missing, not mounted, not btrfs, or not its top
	ErrPoolFlags    = errors.New("pool mounted unsafely") // without nosuid, nodev or noexec
	ErrNoQuota      = errors.New("no simple quotas")      // kernel too old, or quotas of another kind
	ErrNoIdmap      = errors.New("no idmapped mounts")    // kernel too old
	ErrLocked       = errors.New("two wardens")           // another process has the registry open
	ErrDamaged      = errors.New("registry damaged")
	ErrReadOnlyPool = errors.New("the pool takes no writes") // as after an error of its disk
	ErrPoolFull     = errors.New("pool full")
	ErrTooManyForks = errors.New("too many forks")
	ErrTooLarge     = errors.New("too much for one owner's forks")
	ErrNoSlot       = errors.New("no free slot")
	ErrExists       = errors.New("exists already")
	ErrNotFound     = errors.New("not found")
	ErrRemoving     = errors.New("being removed")
	ErrHasForks     = errors.New("has forks")
	ErrLongPath     = errors.New("a path that is too long")
	ErrRenamed      = errors.New("another name now")
	ErrFrozen       = errors.New("frozen")

	// ErrNotUnderstood says that nobody has said to understand that production is about to be deleted.
	ErrNotUnderstood = errors.New("this deletes production, and nobody has said to understand that")
	ErrGrand         = errors.New("grand repository")
	ErrNotGrand      = errors.New("a fork, and no repository")
	ErrNested        = errors.New("nested subvolumes")
	ErrNoRootfs      = errors.New("no rootfs")
	ErrSource        = errors.New("unusable source") // an import that could not be read or held what is refused
)
