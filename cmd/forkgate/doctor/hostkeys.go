package doctor

import (
	"context"
	"fmt"
	"time"
)

// HostKey is a key by which clients know the gate, or a certificate of one.
type HostKey struct {
	File        string
	Certificate bool
	Fault       string     // why a certificate is of no use
	Until       *time.Time // in which it is valid no more; nil: always
}

func hostKeyChecks() []check {
	return []check{
		{"host keys", "clients know the gate by them, or by the authority that has certified them; a certificate that is over they are not shown", asRoot(hostKeysCheck)},
	}
}

func hostKeysCheck(_ context.Context, h *Host) finding {
	if h.HostKeys == nil {
		return yellow("forkgate hostkey list", "cannot be seen")
	}
	all, err := h.HostKeys()
	if err != nil {
		return red("forkgate hostkey list; the warden does not start with a key that it cannot use", "%v", err)
	}
	keys, certificates, faulty := 0, 0, finding{level: Green}
	for _, k := range all {
		if !k.Certificate {
			keys++
			continue
		}
		certificates++
		if wrong := wrongWith(k); wrong != "" && faulty.level == Green {
			faulty = yellow("have the authority make another, then: forkgate hostkey certify FILE && systemctl restart forkgate-warden", "%s", wrong)
		}
	}
	switch {
	case faulty.level != Green:
		return faulty
	case keys == 0:
		return green("none yet: the warden makes them when it starts")
	case certificates > 0:
		return green("%d, and certificates of %d", keys, certificates)
	}
	return green("%d", keys)
}

// notice is how long before its end a certificate is told of.
const notice = 30 * 24 * time.Hour

func wrongWith(certificate HostKey) string {
	until, now := certificate.Until, time.Now()
	switch {
	case certificate.Fault != "":
		return certificate.Fault
	case until == nil || until.After(now.Add(notice)):
		return ""
	case until.After(now):
		return fmt.Sprintf("%s is over on %s", certificate.File, until.Format(time.DateOnly))
	}
	return fmt.Sprintf("%s has been over since %s", certificate.File, until.Format(time.DateOnly))
}
