package network

import (
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"sync"

	"forkgate/nsjail"
	"forkgate/nsjail/wire"
)

// service is what forkgate-net knows. Everything below mu is of one moment: whoever changes the table holds it.
type service struct {
	plan   plan
	log    *slog.Logger
	runDir string

	mu         sync.Mutex
	pods       map[int]*tenant // by slot
	families   []*family
	live       string // listing of the table as we left it; empty: not looked at yet
	generation uint32 // of nftables, when the table was last known to be that
	warned     string // what was last said about other firewalls
}

// tenant is a pod with rules.
type tenant struct {
	guid     string
	link     link
	elements elements
	owner    *wire.Conn // nil: taken over from an earlier run, and not heard of yet
}

var guidForm = regexp.MustCompile(`^[0-9a-f-]{1,64}$`)

// open makes the rules of a pod. The same pod may come again, after this service or the pod has started anew.
func (s *service) open(u up, owner *wire.Conn) (link, error) {
	if !guidForm.MatchString(u.GUID) {
		return link{}, fmt.Errorf("%.80q is no pod", u.GUID)
	}
	l, err := s.plan.link(u.Network.Slot)
	if err != nil {
		return link{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e, err := newElements(l, u.Network, s.neighbours())
	if err != nil {
		return link{}, err
	}
	s.forgetGone()
	old := s.pods[u.Network.Slot]
	if old != nil && old.guid != u.GUID {
		return link{}, fmt.Errorf("slot %d belongs to pod %s, which runs", u.Network.Slot, old.guid)
	}
	if err := s.portsFree(u.Network); err != nil {
		return link{}, err
	}
	t := &tenant{guid: u.GUID, link: l, elements: e, owner: owner}
	if err := s.admit(u.Network.Slot, old, t); err != nil {
		return link{}, err
	}
	return l, nil
}

// admit puts t in the place of old, which may be nil. Until all of it has worked there are no rules for the pod.
func (s *service) admit(slot int, old, t *tenant) error {
	if old != nil && old.elements.script("add") == t.elements.script("add") {
		s.pods[slot] = t // what it says is what is loaded: connections that it has go on
		return nil
	}
	if old != nil {
		if err := s.remove(slot); err != nil {
			return err
		}
	}
	if err := t.link.forgetConnections(); err != nil {
		return err
	}
	s.pods[slot] = t
	if err := s.change(t.elements.script("add")); err != nil {
		return errors.Join(err, s.remove(slot))
	}
	if len(s.pods) == 1 { // the first: the host has to forward from now on
		s.settle()
	}
	return nil
}

// portsFree refuses a network that publishes a port which another pod has, or has it twice.
func (s *service) portsFree(n nsjail.Network) error {
	taken := map[string]string{}
	for slot, t := range s.pods {
		for _, p := range t.elements["publish"] {
			if slot != n.Slot {
				port, _, _ := strings.Cut(p, " : ")
				taken[port] = "pod " + t.guid
			}
		}
	}
	own, err := newElements(link{}, n, nil)
	if err != nil {
		return err
	}
	for _, p := range own["publish"] {
		port, _, _ := strings.Cut(p, " : ")
		if by := taken[port]; by != "" {
			return fmt.Errorf("port %s of the host is published by %s", port, by)
		}
		taken[port] = "this pod already"
	}
	return nil
}

// close takes away the rules of the pod that this connection spoke for. One that has come again speaks on another.
func (s *service) close(owner *wire.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for slot, t := range s.pods {
		if t.owner == owner {
			if err := s.remove(slot); err != nil {
				s.log.Error("cannot take the rules of a pod away", "pod", t.guid, "err", err)
			}
		}
	}
	if len(s.pods) == 0 {
		s.settle()
	}
}

// remove forgets a pod, its rules and its connections: the next one in the slot must not get what was meant for it.
func (s *service) remove(slot int) error {
	t := s.pods[slot]
	delete(s.pods, slot)
	err := s.change(t.elements.script("delete"))
	if err != nil {
		err = s.load() // without it
	}
	return errors.Join(err, t.link.forgetConnections())
}

// script is the whole table as it should be.
func (s *service) script() string {
	var text strings.Builder
	text.WriteString(s.plan.base())
	text.WriteString(s.surroundings())
	for _, t := range s.pods {
		text.WriteString(t.elements.script("add"))
	}
	return text.String()
}
