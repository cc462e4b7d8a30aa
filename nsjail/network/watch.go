package network

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// Groups of netlink that tell of what this service has to answer (include/uapi/linux/netfilter/nfnetlink.h, rtnetlink.h).
var (
	tableGroups = []int{unix.NFNLGRP_NFTABLES}
	routeGroups = []int{unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV4_NETCONF}
	// Where pods have IPv6, as well.
	routeGroups6 = []int{unix.RTNLGRP_IPV6_IFADDR, unix.RTNLGRP_IPV6_ROUTE, unix.RTNLGRP_IPV6_NETCONF}
)

func (p plan) routeGroups() []int {
	if p.six() {
		return append(slices.Clone(routeGroups), routeGroups6...)
	}
	return routeGroups
}

// watcher tells that something may have changed. What it was is for those to find out who look: messages get lost when there
// are many.
type watcher struct {
	socket *os.File
	done   chan struct{}
}

func watch(protocol int, groups []int, changed chan<- struct{}) (*watcher, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, protocol)
	if err != nil {
		return nil, fmt.Errorf("cannot watch the kernel's network: %w", err)
	}
	w := &watcher{os.NewFile(uintptr(fd), "netlink"), make(chan struct{})}
	err = unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
	for _, group := range groups {
		if err == nil {
			err = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, group)
		}
	}
	if err != nil {
		w.socket.Close()
		return nil, fmt.Errorf("cannot watch the kernel's network: %w", err)
	}
	go w.run(changed)
	return w, nil
}

func (w *watcher) run(changed chan<- struct{}) {
	defer close(w.done)
	buffer := make([]byte, 64<<10)
	for {
		// ENOBUFS says that messages were lost, which is as good as one.
		if _, err := w.socket.Read(buffer); err != nil && !errors.Is(err, unix.ENOBUFS) {
			return
		}
		select {
		case changed <- struct{}{}:
		default: // it is known already
		}
	}
}

func (w *watcher) close() {
	w.socket.Close()
	<-w.done
}
