package inside

import (
	"fmt"

	landlock "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
)

// scopesABI is the first version of Landlock that has scopes (Linux 6.12).
const scopesABI = 6

// scopeIPC cuts the calling thread off from abstract unix sockets and processes of other sessions, where the kernel has
// Landlock with scopes. Sessions of a pod share its network namespace, and with it the abstract names.
func scopeIPC() error {
	abi, err := landlock.LandlockGetABIVersion()
	if err != nil || abi < scopesABI {
		return nil //nolint:nilerr // not built in, switched off at boot, or older: the other walls stand without it
	}
	rules, err := landlock.LandlockCreateRuleset(
		&landlock.RulesetAttr{Scoped: landlock.ScopeAbstractUnixSocket | landlock.ScopeSignal}, 0)
	if err != nil {
		return fmt.Errorf("cannot make a Landlock ruleset: %w", err)
	}
	defer unix.Close(rules)
	if err := landlock.LandlockRestrictSelf(rules, 0); err != nil {
		return fmt.Errorf("cannot restrict the session with Landlock: %w", err)
	}
	return nil
}
