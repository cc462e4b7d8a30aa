package warden

import (
	"testing"

	"forkgate/gate/warden/client"
)

// What a gate tells of strangers adds up, what it tells of itself is the newest; what cannot be is not taken, and ends the connection.
func TestStrangersAreCounted(t *testing.T) {
	h := newHost(t)
	h.start(t)
	c := dial(t, h.door)
	for range 2 {
		if err := c.Strangers(t.Context(), client.StrangersRequest{Failed: 3, Idle: 1, Nonsense: 2, Slow: 4, TurnedAway: 5, Penalized: 7, Connections: 8, Goroutines: 9}); err != nil {
			t.Fatal(err)
		}
	}
	if err := dial(t, h.door).Strangers(t.Context(), client.StrangersRequest{Failed: 100, Slow: -1}); err == nil {
		t.Error("fewer than none is taken")
	}
	all, err := h.metrics.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, family := range all {
		for _, m := range family.GetMetric() {
			if labels := m.GetLabel(); len(labels) == 1 {
				got[family.GetName()+" "+labels[0].GetValue()] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	for what, want := range map[string]float64{
		"strangers_total failed": 6, "strangers_total idle": 2, "strangers_total nonsense": 4, "strangers_total slow": 8, "strangers_total turned_away": 10,
		"gate penalized_sources": 7, "gate connections": 8, "gate goroutines": 9,
	} {
		if got := got["forkgate_"+what]; got != want {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
}
