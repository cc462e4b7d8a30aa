package network

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/vishvananda/netlink"

	"forkgate/nsjail"
)

// adopt takes over the pods that an earlier run of this service left behind: those that have a link, by the specs that the
// warden wrote for them.
func (s *service) adopt() error {
	links, err := podLinks()
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(filepath.Join(s.runDir, "pods"))
	if err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("cannot look for pods: %w", err)
	}
	for _, entry := range entries {
		spec, err := nsjail.ReadSpec(s.runDir, entry.Name())
		if err != nil || !spec.Network.Links() || !links[spec.Network.Slot] || s.pods[spec.Network.Slot] != nil {
			continue // it has ended, or never had a link, as a pod that waits for its fork has none
		}
		l, err := s.plan.link(spec.Network.Slot)
		if err != nil {
			return err
		}
		e, err := newElements(l, spec.Network, s.neighbours())
		if err == nil {
			err = s.portsFree(spec.Network)
		}
		if err != nil {
			s.log.Warn("a pod that runs gets no rules", "pod", spec.GUID, "err", err)
			continue
		}
		s.pods[spec.Network.Slot] = &tenant{guid: spec.GUID, link: l, elements: e}
	}
	return nil
}

// forgetGone forgets adopted pods whose link has gone: their supervisor ended while nobody listened to it. The link goes with the
// pod's network namespace, which the kernel takes down.
func (s *service) forgetGone() {
	links, err := podLinks()
	if err != nil {
		s.log.Error("cannot see which pods run", "err", err)
		return
	}
	for slot, t := range s.pods {
		if t.owner == nil && !links[slot] {
			if err := s.remove(slot); err != nil {
				s.log.Error("cannot take the rules of a pod away", "pod", t.guid, "err", err)
			}
		}
	}
}

// podLinks are the slots of the links that there are.
func podLinks() (map[int]bool, error) {
	all, err := netlink.LinkList()
	if err != nil {
		return nil, fmt.Errorf("cannot list links: %w", err)
	}
	slots := map[int]bool{}
	for _, l := range all {
		if slot, ours := slotOf(l.Attrs().Name); ours {
			slots[slot] = true
		}
	}
	return slots, nil
}

// forgetConnections ends what is tracked of a pod's connections, those that it made and those that were made to it.
func (l link) forgetConnections() error {
	for _, pod := range l.addresses() {
		family := netlink.InetFamily(netlink.FAMILY_V4)
		if pod.Is6() {
			family = netlink.FAMILY_V6
		}
		var filters []netlink.CustomConntrackFilter
		for _, by := range []netlink.ConntrackFilterType{netlink.ConntrackOrigSrcIP, netlink.ConntrackReplySrcIP} {
			f := &netlink.ConntrackFilter{}
			if err := f.AddIP(by, pod.AsSlice()); err != nil {
				return err
			}
			filters = append(filters, f)
		}
		if _, err := netlink.ConntrackDeleteFilters(netlink.ConntrackTable, family, filters...); err != nil {
			return fmt.Errorf("cannot end the connections of %s: %w", pod, err)
		}
	}
	return nil
}
