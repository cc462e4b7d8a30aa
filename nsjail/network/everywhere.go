package network

import (
	"errors"
	"os"
	"strings"
)

// setEverywhere sets net.ipv6.conf.all.forwarding and nothing else. To set it sets the same of every interface, by which it becomes a
// router's: that takes no advertisements of other routers any more, and forgets the default routes that it had by them, but with accept_ra 2
// (Linux, Documentation/networking/ip-sysctl.rst). Whether anything is forwarded goes by the one of all. So those of interfaces are put
// back as they were, and accept_ra is 2 meanwhile where it is 1.
func setEverywhere(value string) (err error) {
	entries, err := os.ReadDir(sysctl("ipv6", "", ""))
	if err != nil {
		return err
	}
	var undo []func() error
	defer func() {
		for _, u := range undo {
			err = errors.Join(err, u())
		}
	}()
	for _, e := range entries {
		if e.Name() == everyInterface {
			continue
		}
		forwarding, advertisements := sysctl("ipv6", e.Name(), "forwarding"), sysctl("ipv6", e.Name(), "accept_ra")
		was, err := os.ReadFile(forwarding)
		if err != nil {
			continue // it has gone
		}
		if e.Name() == "default" {
			was = []byte("0") // it tells our word from the operator's
		}
		undo = append(undo, func() error { return put(forwarding, was) })
		accepts, err := os.ReadFile(advertisements)
		if err != nil || strings.TrimSpace(string(accepts)) != "1" {
			continue
		}
		undo = append(undo, func() error { return put(advertisements, accepts) })
		if err := put(advertisements, []byte("2")); err != nil {
			return err
		}
	}
	return os.WriteFile(sysctl("ipv6", everyInterface, "forwarding"), []byte(value), 0)
}

// put is content with an interface that has gone.
func put(path string, value []byte) error {
	if err := os.WriteFile(path, value, 0); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
