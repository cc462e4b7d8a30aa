package doors

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// others says who may write a file by its access control list beside root, the admins and whom its mode names (acl(5), include/uapi/linux/posix_acl_xattr.h).
// Whom a list has that is not understood nobody knows.
func (h *Host) others(name string) (string, error) {
	list, err := h.Attribute(name, "system.posix_acl_access")
	if err != nil || len(list) == 0 {
		return "", err
	}
	if len(list)%8 != 4 || binary.LittleEndian.Uint32(list) != 2 {
		return "", fmt.Errorf("the access control list of /%s is not understood", name)
	}
	a, err := h.accounts()
	if err != nil {
		return "", err
	}
	const user, group, mask, writes = 0x02, 0x08, 0x10, 2
	masked, who := uint16(writes), []string(nil)
	for entry := list[4:]; len(entry) > 0; entry = entry[8:] {
		tag, may, id := binary.LittleEndian.Uint16(entry), binary.LittleEndian.Uint16(entry[2:]), int(binary.LittleEndian.Uint32(entry[4:]))
		switch {
		case tag == mask:
			masked = may
		case tag == user && may&writes != 0 && !a.trusts(id):
			who = append(who, fmt.Sprintf("uid %d", id))
		case tag == group && may&writes != 0 && id != 0 && h.group(id) != AdminGroup:
			who = append(who, fmt.Sprintf("gid %d", id))
		}
	}
	if masked&writes == 0 {
		return "", nil
	}
	return strings.Join(who, ", "), nil
}

// trusts reports whether a number is root's or an admin's, and nobody else's.
func (a accounts) trusts(uid int) bool {
	known := uid == 0
	for _, one := range a.all {
		if one.uid == uid {
			known = true
			if len(a.strangers([]string{one.name})) > 0 {
				return false
			}
		}
	}
	return known
}
