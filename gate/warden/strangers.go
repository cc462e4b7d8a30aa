package warden

import (
	"context"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"forkgate/gate/warden/client"
	"forkgate/nsjail/wire"
)

// outside is what the gate tells of itself. It has no way to be asked: what it is told of, and by how much, is its own word.
type outside struct {
	strangers *prometheus.CounterVec
	now       *prometheus.GaugeVec
}

func newOutside() outside {
	return outside{
		strangers: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "forkgate_strangers_total", Help: "Connections that came to nothing, as the gate tells; turned_away ones had no place.",
		}, []string{"did"}),
		now: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "forkgate_gate", Help: "What the gate has, as it told last: connections, goroutines, sources with a penalty.",
		}, []string{"what"}),
	}
}

// maxTold bounds what a door that lies adds at a time.
const maxTold = 1 << 31

// strangers takes note of connections that came to nothing.
func strangers(_ context.Context, r *request, q client.StrangersRequest) (answer, error) {
	counts := map[string]int{"failed": q.Failed, "idle": q.Idle, "nonsense": q.Nonsense, "slow": q.Slow, "turned_away": q.TurnedAway}
	now := map[string]int{"penalized_sources": q.Penalized, "connections": q.Connections, "goroutines": q.Goroutines}
	for _, told := range []map[string]int{counts, now} {
		for what, n := range told {
			if n < 0 || n > maxTold {
				return answer{}, fmt.Errorf("%w: strangers: %d %s", wire.ErrMalformed, n, what)
			}
		}
	}
	for did, n := range counts {
		r.metrics.outside.strangers.WithLabelValues(did).Add(float64(n))
	}
	for what, n := range now {
		r.metrics.outside.now.WithLabelValues(what).Set(float64(n))
	}
	return answer{body: struct{}{}}, nil
}
