package pod

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"forkgate/nsjail"
	"forkgate/nsjail/egress"
	"forkgate/nsjail/network"
)

// join gives the half's network namespace what it may reach: the pod's link to the host, where it has one, and names. Nothing of a caller's runs in
// it yet.
func (h *half) join(ctx context.Context, c Config, spec nsjail.Spec) (io.Closer, error) {
	netns, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", h.init.Pid))
	if err != nil {
		return nil, fmt.Errorf("cannot find the pod's network: %w", err)
	}
	defer netns.Close()
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	link, err := network.Join(ctx, network.Socket(c.RunDir), spec.GUID, spec.Network, netns, log)
	if err != nil {
		return nil, err
	}
	named, err := egress.Join(ctx, egress.Socket(c.RunDir), spec.GUID, spec.Network, netns, log)
	if err != nil {
		return nil, errors.Join(err, link.Close())
	}
	return ways{link, named}, nil
}

// ways are those out of a pod.
type ways []io.Closer

func (w ways) Close() (err error) {
	for _, way := range w {
		err = errors.Join(err, way.Close())
	}
	return err
}
