package warden

import (
	"testing"
	"time"
)

// A clock that goes ahead is doubted for an hour, however often it does so; one that is set back, or goes as time does, is not.
func TestAClockThatLeaps(t *testing.T) {
	var c clock
	start := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	for _, step := range []struct {
		wall, up time.Duration
		ahead    time.Duration
		doubtful bool
	}{
		{0, 0, 0, false},
		{2 * time.Second, 2 * time.Second, 0, false},
		{4*time.Second + leap - 1, 4 * time.Second, 0, false},
		{0, 6 * time.Second, 0, false},
		{72 * time.Hour, 8 * time.Second, 72*time.Hour - 2*time.Second, true},
		{72*time.Hour + doubted - time.Second, doubted + 7*time.Second, 0, true},
		{72*time.Hour + doubted, doubted + 8*time.Second, 0, false},
		{100 * time.Hour, doubted + 10*time.Second, 27*time.Hour - 2*time.Second, true},
	} {
		if ahead := c.look(start.Add(step.wall), step.up); ahead != step.ahead || c.doubtful() != step.doubtful {
			t.Errorf("at %v after %v: ahead by %v, doubtful %t", step.wall, step.up, ahead, c.doubtful())
		}
	}
}
