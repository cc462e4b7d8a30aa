package warden

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"forkgate/fork"
	"forkgate/gate"
)

// metrics are what the warden counts, for Prometheus (https://prometheus.io/docs/practices/naming/). Who may read them is root: they say which
// rules are asked how often.
type metrics struct {
	registry  *prometheus.Registry
	decisions *prometheus.CounterVec
	logins    *prometheus.CounterVec
	revoked   prometheus.Counter
	denied    prometheus.Counter
	failures  prometheus.Counter // of recordings
	took      *prometheus.HistogramVec
	outside   outside
}

// What is timed.
const (
	timedHandshake = "handshake" // from the connection until who speaks is known; the client's own doing is most of it
	timedLogin     = "login"     // the part of it from the key exchange on
	timedDecision  = "decision"  // policy alone
	timedFork      = "fork"      // made
	timedPod       = "pod"       // started
	timedSession   = "session"   // from the question until it runs, what it waits for included
)

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		decisions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "forkgate_decisions_total", Help: "Decisions of policy, by the rule that they are by; no rule is the default.",
		}, []string{"verdict", "rule", "kind"}),
		logins:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "forkgate_logins_total", Help: "Connections on which somebody was recognized."}, []string{"door"}),
		revoked:  prometheus.NewCounter(prometheus.CounterOpts{Name: "forkgate_sessions_revoked_total", Help: "Sessions ended as the policy in force would not permit them."}),
		denied:   prometheus.NewCounter(prometheus.CounterOpts{Name: "forkgate_egress_denied_total", Help: "Attempts of pods to reach what is not open to them by name."}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{Name: "forkgate_recording_failures_total", Help: "Sessions whose recording failed, at the beginning or later."}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "forkgate_seconds", Help: "How long things take.", Buckets: []float64{.000001, .00001, .0001, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10},
		}, []string{"what"}),
	}
	m.outside = newOutside()
	m.registry.MustRegister(m.decisions, m.logins, m.revoked, m.denied, m.failures, m.took, m.outside.strangers, m.outside.now)
	// Of the warden itself: processes that leak show by go_goroutines and process_open_fds.
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// time times what is called until the returned function is.
func (m *metrics) time(what string) (done func()) {
	begin := time.Now()
	return func() { m.took.WithLabelValues(what).Observe(time.Since(begin).Seconds()) }
}

// gauge has a number asked for when somebody looks.
func (m *metrics) gauge(name, help string, now func() float64) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, now))
}

// watch has the warden's own state shown.
func (m *metrics) watch(w *Warden) {
	m.gauge("forkgate_sessions", "Sessions that run.", func() float64 { return float64(len(w.pods.sessions.list())) })
	m.gauge("forkgate_pods", "Pods that run, those that wait for their fork included; -1: systemd does not say.", func() float64 {
		running, err := w.pods.Running(context.Background())
		if err != nil {
			return -1
		}
		return float64(len(running))
	})
	m.gauge("forkgate_repositories", "Grand repositories.", func() float64 { return float64(len(w.trees.Repos())) })
	m.gauge("forkgate_forks", "Forks.", func() float64 { return float64(len(w.trees.Forks(""))) })
	pool := func(of func(fork.PoolStatus) float64) func() float64 {
		return func() float64 {
			s, err := w.trees.Status()
			if err != nil {
				return -1
			}
			return of(s)
		}
	}
	m.gauge("forkgate_pool_size_bytes", "Size of the pool; -1: it does not say.", pool(func(s fork.PoolStatus) float64 { return float64(s.Size) }))
	m.gauge("forkgate_pool_free_bytes", "What is free of it.", pool(func(s fork.PoolStatus) float64 { return float64(s.Free) }))
	m.gauge("forkgate_pool_returning_subvolumes", "Subvolumes that were removed, and whose space is not free yet.", pool(func(s fork.PoolStatus) float64 { return float64(s.Returning) }))
	m.gauge("forkgate_recordings_bytes", "What recordings have taken of the disk.", func() float64 { return float64(w.pods.recordings.taken()) })
	m.gauge("forkgate_policy_loaded", "1 where a policy is in force, 0 where the doors are shut.", func() float64 { return is(w.rules.shut() == nil) })
	m.gauge("forkgate_policy_broken", "1 where the files as they are now do not load.", func() float64 { return is(w.rules.has.Load().err != nil) })
	m.gauge("forkgate_record_broken", "1 where the audit log cannot be written, and nobody is let in.", func() float64 { return is(w.log.State().Broken != nil) })
	m.gauge("forkgate_record_lines", "Number of the audit log's newest line.", func() float64 { return float64(w.log.State().Newest) })
	m.gauge("forkgate_record_signed_lines", "Number of the line up to which it was signed; 0: not since the warden started. What is newer waits for a signature, a minute at most.", func() float64 { return float64(w.log.State().Signed) })
	m.gauge("forkgate_record_signed_timestamp_seconds", "When the audit log was signed last; 0: not since the warden started.", func() float64 {
		signed := w.log.State().SignedAt
		if signed.IsZero() {
			return 0
		}
		return float64(signed.UnixMilli()) / 1000
	})
}

func is(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// counted is the record, with what goes into it counted.
type counted struct {
	Record
	m *metrics
}

// Decision is gate.Log.
func (c counted) Decision(session string, r gate.Request, d gate.Decision) error {
	c.m.decisions.WithLabelValues(d.Verdict.String(), d.Rule, r.Caller.Kind.String()).Inc()
	return c.Record.Decision(session, r, d)
}

// Revoked is Record.
func (c counted) Revoked(session string, r gate.Request, d gate.Decision) error {
	c.m.revoked.Inc()
	return c.Record.Revoked(session, r, d)
}

// timed is a judge and a pool with a clock beside.
type timed struct {
	gate.Judge
	gate.Forks
	m *metrics
}

// Decide is gate.Judge.
func (t timed) Decide(r gate.Request) gate.Decision {
	defer t.m.time(timedDecision)()
	return t.Judge.Decide(r)
}

// Make is gate.Forks.
func (t timed) Make(ctx context.Context, who gate.Caller, child gate.Target, limits gate.Limits) (gate.Target, []gate.Step, error) {
	defer t.m.time(timedFork)()
	return t.Forks.Make(ctx, who, child, limits)
}

// MetricsSocket is where root reads metrics, over HTTP.
const MetricsSocket = "metrics.sock"

// serve answers on a socket beside the operator's until ctx ends.
func (m *metrics) serve(ctx context.Context, dir string) error {
	path := filepath.Join(dir, MetricsSocket)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	s := http.Server{
		Handler:     promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 10 * time.Second}),
		ReadTimeout: 10 * time.Second, WriteTimeout: 20 * time.Second,
	}
	defer context.AfterFunc(ctx, func() { s.Close() })()
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
