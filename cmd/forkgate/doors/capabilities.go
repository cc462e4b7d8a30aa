package doors

import (
	"context"
	"encoding/binary"
	"path"
	"slices"

	"golang.org/x/sys/unix"
)

// rootly are capabilities that amount to root (capabilities(7)).
var rootly = []int{
	unix.CAP_SETUID, unix.CAP_SETGID, unix.CAP_SETFCAP, unix.CAP_SETPCAP, unix.CAP_DAC_OVERRIDE, unix.CAP_DAC_READ_SEARCH, unix.CAP_CHOWN, unix.CAP_FOWNER,
	unix.CAP_FSETID, unix.CAP_MKNOD, unix.CAP_SYS_ADMIN, unix.CAP_SYS_MODULE, unix.CAP_SYS_RAWIO, unix.CAP_SYS_PTRACE, unix.CAP_SYS_CHROOT, unix.CAP_BPF, unix.CAP_PERFMON,
}

// trusted have some of those on hosts that are as they should be, where a package has brought them.
var trusted = []string{"newuidmap", "newgidmap", "snap-confine", "fusermount3"}

// capabilitiesProbe leaves them for the operator to take away: to give them back, as --undo would, may give them to another file by then.
func capabilitiesProbe(ctx context.Context, h *Host) finding {
	all := h.walk(ctx)
	var found []string
	owned := h.ofPackages(ctx, all.capable)
	for _, name := range all.capable {
		if !owned[name] || !slices.Contains(trusted, path.Base(name)) {
			found = append(found, "/"+name)
		}
	}
	switch {
	case len(found) > 0:
		return open("setcap -r "+found[0], "%s", some(found))
	case all.err != nil:
		return open("getcap -r /; and --except capabilities where nothing is wrong with what that finds", "%v", all.err)
	}
	return closed("%s", walked)
}

// walked is said where nothing was found.
const walked = "none but the system's own, beside nosuid mounts and what root alone enters"

// isRootly reads struct vfs_cap_data: what is not understood amounts to root.
func isRootly(attribute []byte) bool {
	const revision, second, third = 0xff000000, 0x02000000, 0x03000000
	switch n := len(attribute); {
	case n == 0:
		return false
	case n == 20 && binary.LittleEndian.Uint32(attribute)&revision == second:
	case n == 24 && binary.LittleEndian.Uint32(attribute)&revision == third:
		if binary.LittleEndian.Uint32(attribute[20:]) != 0 { // in force in a user namespace of that root's alone
			return false
		}
	default:
		return true
	}
	word := func(i int) uint64 { return uint64(binary.LittleEndian.Uint32(attribute[i:])) }
	has := word(4) | word(8) | word(12)<<32 | word(16)<<32
	return slices.ContainsFunc(rootly, func(c int) bool { return has>>c&1 != 0 })
}
