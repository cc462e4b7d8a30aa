package network

import (
	"net/netip"
	"path/filepath"

	"forkgate/nsjail"
)

// Socket is where forkgate-net listens.
func Socket(runDir string) string { return filepath.Join(runDir, "net", "net.sock") }

// What is said on it. The connection stays open for as long as the pod runs: its end takes the pod's rules away.
const typeUp = "up" // supervisor to service

// up asks for the rules of a pod.
type up struct {
	GUID    string         `json:"guid"`
	Network nsjail.Network `json:"network"`
}

// link is what the pod's link has to be called, and the addresses of its ends.
type link struct {
	Name  string       `json:"name"`
	Host  netip.Prefix `json:"host"`
	Pod   netip.Prefix `json:"pod"`
	Host6 netip.Prefix `json:"host6,omitzero"` // zero: there is no IPv6 on it
	Pod6  netip.Prefix `json:"pod6,omitzero"`
}

func (l link) six() bool { return l.Pod6.IsValid() }

// addresses are the pod's own.
func (l link) addresses() []netip.Addr {
	if l.six() {
		return []netip.Addr{l.Pod.Addr(), l.Pod6.Addr()}
	}
	return []netip.Addr{l.Pod.Addr()}
}
