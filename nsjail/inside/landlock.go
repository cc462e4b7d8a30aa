package inside

import (
	"fmt"

	"github.com/landlock-lsm/go-landlock/landlock"
)

// scopeIPC cuts the session off from abstract unix sockets and processes of other sessions, where the kernel has Landlock
// with scopes (6.12). Sessions of a pod share its network namespace, and with it the abstract namespace.
func scopeIPC() error {
	if err := landlock.V6.BestEffort().RestrictScoped(); err != nil {
		return fmt.Errorf("cannot restrict the session with Landlock: %w", err)
	}
	return nil
}
