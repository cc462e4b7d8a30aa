package network

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A host that forwards nothing (net.ipv4.ip_forward=0) has to forward for its pods. It does so on the pods' links and its
// uplinks only, by their own net.ipv4.conf.NAME.forwarding, and the rules drop what comes in on such an uplink and is for
// no pod. ip_forward itself stays the operator's: the kernel tells when it changes, and once it is on nothing is lent.
//
// With IPv6 the same is net.ipv6.conf.NAME.force_forwarding, and net.ipv6.conf.all.forwarding is the operator's. Kernels before
// 6.17 have the latter alone, so that it is what is lent, and the rules drop all that is no pod's.

// forward makes the host forward for the pods there are, and for nobody else. Rules come before what they guard.
func (s *service) forward() error {
	var errs []error
	for _, f := range s.families {
		if err := s.forwardBy(f); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", f.conf, err))
		}
	}
	return errors.Join(errs...)
}

func (s *service) forwardBy(f *family) error {
	seen := *f
	if err := seen.look(); err != nil {
		return err
	}
	on, err := f.operators()
	if err != nil {
		return err
	}
	lent := f.wanted(seen.uplinks, !on && len(s.pods) > 0)
	if !slices.Equal(seen.uplinks, f.uplinks) || !slices.Equal(lent, f.lent) || !slices.Equal(seen.neighbours, f.neighbours) {
		f.uplinks, f.neighbours = seen.uplinks, seen.neighbours
		if err := s.lend(f, lent, on); err != nil {
			return err
		}
	}
	var errs []error
	for _, name := range lent {
		errs = append(errs, f.set(name, true))
	}
	for _, t := range s.pods {
		if f.knob != "" {
			errs = append(errs, f.set(t.link.Name, true)) // ip_forward=0 has turned it off on every link
		}
	}
	return errors.Join(errs...)
}

// wanted are the interfaces that have to forward because of us.
func (f *family) wanted(uplinks []string, needed bool) (lent []string) {
	switch {
	case !needed || len(uplinks) == 0:
		return nil
	case f.knob == "":
		return []string{everyInterface}
	}
	for _, name := range uplinks {
		if own, err := f.forwards(name); err != nil || own && !slices.Contains(f.lent, name) {
			continue // it has gone, or forwards by the operator's own word
		}
		lent = append(lent, name)
	}
	return lent
}

// lend changes which interfaces forward because of us, and loads what the host is in.
func (s *service) lend(f *family, lent []string, on bool) error {
	back := slices.DeleteFunc(slices.Clone(f.lent), func(name string) bool { return slices.Contains(lent, name) })
	for _, name := range back {
		if !on { // else it is the operator's now
			if err := f.set(name, false); err != nil {
				return err
			}
		}
	}
	f.lent = lent
	return errors.Join(s.remember(f), s.change(s.surroundings()))
}

// shut are the elements of the set by that name: where everything forwards because of us, nothing does that is no pod's.
func (f *family) shut() string {
	if slices.Contains(f.lent, everyInterface) {
		return "::/0"
	}
	return ""
}

func sysctl(family, name, what string) string {
	return filepath.Join("/proc/sys/net", family, "conf", name, what)
}

// operators reports whether everything forwards by the operator's word. Where we have said so ourselves, the setting of interfaces
// that are yet to come is left at 0, which whoever sets that of all sets as well (addrconf_fixup_forwarding, net/ipv6/addrconf.c).
func (f *family) operators() (bool, error) {
	on, err := isOn(sysctl(f.conf, everyInterface, "forwarding"))
	if err == nil && on && slices.Contains(f.lent, everyInterface) {
		return isOn(sysctl(f.conf, "default", "forwarding"))
	}
	return on, err
}

func (f *family) forwards(name string) (bool, error) { return isOn(f.path(name)) }

func (f *family) path(name string) string {
	if name == everyInterface {
		return sysctl(f.conf, name, "forwarding")
	}
	return sysctl(f.conf, name, f.knob)
}

func isOn(path string) (bool, error) {
	value, err := os.ReadFile(path)
	return strings.TrimSpace(string(value)) != "0", err
}

// set leaves alone what is as it should be, and what is not there.
func (f *family) set(name string, on bool) error {
	is, err := f.forwards(name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && is == on {
		return nil
	}
	value := "0"
	if on {
		value = "1"
	}
	if name == everyInterface {
		err = setEverywhere(value)
	} else {
		err = os.WriteFile(f.path(name), []byte(value), 0)
	}
	if err != nil {
		return fmt.Errorf("cannot set forwarding on %s: %w", name, err)
	}
	return nil
}

// remember writes down what is lent, for the next run of this service: to the kernel it looks like the operator's own. Where pods have no
// IPv6 there is no file of that.
func (s *service) remember(f *family) error {
	if err := os.WriteFile(s.lentFile(f.suffix), []byte(strings.Join(f.lent, "\n")), 0o600); err != nil {
		return fmt.Errorf("cannot remember what forwards: %w", err)
	}
	return nil
}

func (s *service) lentFile(suffix string) string {
	return filepath.Join(s.runDir, "net", "lent"+suffix)
}

func (s *service) recall() error {
	if err := s.recallWithout6(); err != nil {
		return err
	}
	for _, f := range s.families {
		text, err := os.ReadFile(s.lentFile(f.suffix))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("cannot recall what forwards: %w", err)
		}
		f.lent = strings.Fields(string(text))
		if slices.Contains(f.lent, everyInterface) {
			// It may have been killed before it had done so. What the operator said meanwhile he has to say again.
			if err := os.WriteFile(sysctl(f.conf, "default", "forwarding"), []byte("0"), 0); err != nil {
				return fmt.Errorf("cannot recall what forwards: %w", err)
			}
		}
		if err := s.remember(f); err != nil {
			return err
		}
	}
	return nil
}

// recallWithout6 gives back what an earlier run lent by IPv6, if pods have none any more: before the rules that guarded it are replaced.
func (s *service) recallWithout6() error {
	text, err := os.ReadFile(s.lentFile("6"))
	if errors.Is(err, fs.ErrNotExist) || err == nil && s.plan.six() {
		return nil
	}
	six := sixth(false)
	six.lent = strings.Fields(string(text))
	on, other := six.operators()
	if err := errors.Join(err, other); err != nil {
		return fmt.Errorf("cannot recall what forwards: %w", err)
	}
	for _, name := range six.lent {
		if !on {
			if err := six.set(name, false); err != nil {
				return err
			}
		}
	}
	return os.Remove(s.lentFile("6"))
}
