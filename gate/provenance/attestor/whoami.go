package attestor

import (
	"context"
	"encoding/json"
	"fmt"
	"net"

	"golang.org/x/crypto/ssh/agent"
)

// Whoami asks the daemon what it thinks of this process.
func Whoami(ctx context.Context, socket string) (Report, error) {
	c, err := new(net.Dialer).DialContext(ctx, "unix", socket)
	if err != nil {
		return Report{}, fmt.Errorf("cannot ask the attestor: %w; systemctl status forkgate-attest", err)
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	answer, err := agent.NewClient(c).Extension(whoamiExtension, nil)
	if err != nil {
		return Report{}, fmt.Errorf("cannot ask the attestor: %w", err)
	}
	var r Report
	if len(answer) == 0 || answer[0] != messageSuccess {
		return Report{}, fmt.Errorf("cannot ask the attestor: what listens on %s is another agent", socket)
	}
	if err := json.Unmarshal(answer[1:], &r); err != nil {
		return Report{}, fmt.Errorf("cannot ask the attestor: %w", err)
	}
	return r, nil
}
