package pod

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"

	"forkgate/nsjail"
	"forkgate/nsjail/network"
)

// join gives the half's network namespace the pod's link to the host, where the pod has one. Nothing of a caller's runs in it yet.
func (h *half) join(ctx context.Context, c Config, spec nsjail.Spec) (io.Closer, error) {
	netns, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", h.init.Pid))
	if err != nil {
		return nil, fmt.Errorf("cannot find the pod's network: %w", err)
	}
	defer netns.Close()
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	return network.Join(ctx, network.Socket(c.RunDir), spec.GUID, spec.Network, netns, log)
}
