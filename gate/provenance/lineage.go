package provenance

import (
	"fmt"

	"forkgate/gate"
)

// Lineage names what a caller's further sessions have in common, so that a grant of several uses is for these and no others: of an
// ordinary key the key; of an attested caller the workstation, and the login there from which the agent was started. It is empty, which is
// nobody's, where the evidence names neither.
func Lineage(e gate.Evidence, c gate.Caller) string {
	if e.Attestor == "" {
		if e.Key == "" {
			return ""
		}
		return fmt.Sprintf("key %s, agent %q", e.Key, c.Agent)
	}
	s, err := DecodeStatement(e.Statement)
	if err != nil {
		return ""
	}
	for i := len(s.Chain) - 1; i >= 0; i-- { // the topmost that is the caller's own
		if l := s.Chain[i]; l.UID == s.UID {
			return fmt.Sprintf("attestor %s, uid %d, process %d started at %d, agent %q", e.Attestor, s.UID, l.PID, l.Start, c.Agent)
		}
	}
	return ""
}
