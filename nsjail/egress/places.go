package egress

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"unicode/utf8"

	"forkgate/gate"
)

// places are what one pod may reach by name.
type places []gate.Egress

func parsePlaces(texts []string) (places, error) {
	var all places
	for _, text := range texts {
		place, err := gate.ParseEgress(text)
		if err != nil {
			return nil, err
		}
		if place.Name == "" {
			return nil, fmt.Errorf("egress %q is no name", text)
		}
		all = append(all, place)
	}
	return all, nil
}

func (p places) reach(host string, port uint16) bool {
	return slices.ContainsFunc(p, func(one gate.Egress) bool { return one.Reaches(host, port) })
}

func (p places) resolve(host string) bool {
	return slices.ContainsFunc(p, func(one gate.Egress) bool { return one.Resolves(host) })
}

// ports are those that connections are looked at on, sorted.
func (p places) ports() (ports []uint16) {
	for _, one := range p {
		ports = append(ports, one.Port)
	}
	slices.Sort(ports)
	return slices.Compact(ports)
}

// hostOf is a host's name in the form that places have. Letters that are not ASCII are no host's, and none becomes one that is.
func hostOf(said string) string {
	if strings.ContainsFunc(said, func(r rune) bool { return r >= utf8.RuneSelf }) {
		return said
	}
	return strings.ToLower(strings.TrimSuffix(said, "."))
}

// public reports whether an address is one that is somebody's in the world, and nobody's own.
func public(a netip.Addr) bool {
	a = a.Unmap()
	for _, ranges := range [][]netip.Prefix{gate.NeverReached(), gate.Private(), gate.NeverReached6(), gate.Private6()} {
		if slices.ContainsFunc(ranges, func(p netip.Prefix) bool { return p.Contains(a) }) {
			return false
		}
	}
	return a.IsValid() && a.Zone() == ""
}
