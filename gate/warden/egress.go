package warden

import (
	"context"
	"fmt"

	"forkgate/gate"
	"forkgate/gate/warden/client"
	"forkgate/nsjail/wire"
)

// maxHost is more than a host's name has, and enough to tell what was meant for one.
const maxHost = 256

// denied takes note of what pods did not reach, on the word of forkgate-egress. A pod that is none any more is nobody's.
func denied(_ context.Context, r *request, q client.DeniedRequest) (answer, error) {
	if len(q.Denied) > client.MaxDenied {
		return answer{}, fmt.Errorf("%w: denied: %d at once", wire.ErrMalformed, len(q.Denied))
	}
	for _, d := range q.Denied {
		if len(d.Why) > maxHost || d.Count < 1 {
			return answer{}, fmt.Errorf("%w: denied: %.80q, %d times", wire.ErrMalformed, d.Why, d.Count)
		}
		t, ok := r.trees.Get(d.GUID)
		if !ok {
			continue
		}
		of := gate.Request{Target: gate.Target{GUID: t.GUID, Repo: t.Repo, Tag: t.Tag, Grand: t.Grand, Fork: !t.Grand}}
		if err := r.log.Egress(of, d.Host[:min(len(d.Host), maxHost)], d.Port, d.Why, d.Count); err != nil {
			return answer{}, err
		}
		r.metrics.denied.Add(float64(d.Count))
	}
	return answer{body: struct{}{}}, nil
}
