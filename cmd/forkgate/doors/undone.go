package doors

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
)

// Shut is what was closed and not yet taken back: what waits to be confirmed as well.
type Shut struct {
	Ways  []string // by name, in the order in which they were closed
	Units []string // that were stopped, and start no more
}

// Shut looks into the ledger.
func (d *Doors) Shut() (Shut, error) {
	b, err := d.openBook()
	if err != nil {
		return Shut{}, err
	}
	defer b.close()
	var s Shut
	for _, c := range b.Changes {
		if !slices.Contains(s.Ways, c.Way) {
			s.Ways = append(s.Ways, c.Way)
		}
		if name := strings.TrimSuffix(filepath.Base(filepath.Dir(c.Path)), ".d"); c.Path == shutUnit(name) {
			s.Units = append(s.Units, name)
		}
	}
	return s, nil
}

// Without is what is in s and not in other.
func (s Shut) Without(other Shut) Shut {
	return Shut{
		Ways:  slices.DeleteFunc(slices.Clone(s.Ways), func(way string) bool { return slices.Contains(other.Ways, way) }),
		Units: slices.DeleteFunc(slices.Clone(s.Units), func(unit string) bool { return slices.Contains(other.Units, unit) }),
	}
}

// Gone are those of units that systemd does not know any more: a transient one that was stopped, which nothing starts again.
func (h *Host) Gone(ctx context.Context, names []string) (gone []string) {
	for _, name := range names {
		if all, err := h.units(ctx, name); err == nil && len(all) == 1 && all[0]["LoadState"] == "not-found" {
			gone = append(gone, name)
		}
	}
	return gone
}

// Ports are where sshd and the gate are to listen: numbers, such as 22.
func (h *Host) Ports(ctx context.Context) (sshd, gate string, err error) {
	s, err := h.sshd(ctx, anybody())
	if err != nil {
		return "", "", err
	}
	units, err := h.units(ctx, "forkgate-gate.socket")
	if err == nil && len(units) != 1 {
		err = errors.New("systemd knows of no forkgate-gate.socket")
	}
	if err != nil {
		return "", "", err
	}
	address, _, _ := strings.Cut(units[0]["Listen"], " ") // such as [::]:2222 (Stream)
	return strings.Join(s["port"], ", "), address[strings.LastIndex(address, ":")+1:], nil
}
