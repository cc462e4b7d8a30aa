package inside

import (
	"fmt"
	"os"

	landlock "github.com/landlock-lsm/go-landlock/landlock/syscall"
)

// scopesABI is the first version of Landlock that has scopes (Linux 6.12).
const scopesABI = 6

// newScope makes a Landlock ruleset that cuts a session off from abstract unix sockets and processes of other sessions, or nil
// where the kernel has none. Sessions of a pod share its network namespace, and with it the abstract names.
func newScope() (*os.File, error) {
	abi, err := landlock.LandlockGetABIVersion()
	if err != nil || abi < scopesABI {
		return nil, nil //nolint:nilerr,nilnil // not built in, switched off at boot, or older: the other walls stand without it
	}
	fd, err := landlock.LandlockCreateRuleset(
		&landlock.RulesetAttr{Scoped: landlock.ScopeAbstractUnixSocket | landlock.ScopeSignal}, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot make a Landlock ruleset: %w", err)
	}
	return os.NewFile(uintptr(fd), "landlock"), nil
}
