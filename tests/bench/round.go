package bench

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// round is one interleaved measurement.
type round struct{ Ours, Rival time.Duration }

// comparison is what one question came to.
type comparison struct {
	what, rival string
	limit       string // the ratio that is asked for, as text
	rounds      []round
	rate        float64 // operations per round, where a rate is asked for
}

// ratio is the median of the rounds' own ratios: of time, ours to the rival's; or of rates, where there is one.
func (c comparison) ratio() float64 {
	var ratios []float64
	for _, r := range c.rounds {
		ratio := r.Ours.Seconds() / r.Rival.Seconds()
		if c.rate > 0 {
			ratio = 1 / ratio
		}
		ratios = append(ratios, ratio)
	}
	return median(ratios)
}

func (c comparison) String() string {
	ours, rival := c.side(func(r round) time.Duration { return r.Ours }), c.side(func(r round) time.Duration { return r.Rival })
	return fmt.Sprintf("%-34s %14s  %-24s %14s  ratio %5.2f  (%s)", c.what, ours, c.rival, rival, c.ratio(), c.limit)
}

func (c comparison) side(of func(round) time.Duration) string {
	var all []float64
	for _, r := range c.rounds {
		all = append(all, of(r).Seconds())
	}
	if c.rate > 0 {
		return fmt.Sprintf("%.0f/s", c.rate/median(all))
	}
	return fmt.Sprintf("%.1f ms", 1000*median(all))
}

func median(of []float64) float64 {
	sorted := slices.Sorted(slices.Values(of))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

func table(all []comparison) string {
	var b strings.Builder
	for _, c := range all {
		fmt.Fprintln(&b, c)
	}
	return b.String()
}
