package egress

import "path/filepath"

// Socket is where forkgate-egress listens.
func Socket(runDir string) string { return filepath.Join(runDir, "egress", "egress.sock") }

// What is said on it. The connection stays open for as long as the pod runs.
const typeUp = "up" // supervisor to service, with the two sockets: connections, questions

// up says what a pod may reach.
type up struct {
	GUID  string   `json:"guid"`
	Names []string `json:"names"`
}

// Denied is what a pod wanted and did not get.
type Denied struct {
	GUID  string // the pod
	Host  string // as it was said, by whoever; empty: none was
	Port  uint16 // 0: only the address was asked for
	Why   string
	Count int // how often, since that was told of last
}
