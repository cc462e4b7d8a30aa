package engines

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"forkgate/gate/policy"
)

const rounds = 9

// BenchmarkPolicy prints what a decision costs, of each engine and set of rules, and what it costs to load a set.
func BenchmarkPolicy(b *testing.B) {
	b.StopTimer()
	makers := []struct {
		name string
		make func(rules int) (engine, error)
	}{{"forkgate", newOurs}, {"OPA", newOPA}, {"Cedar", newCedar}, {"cel-go", newCEL}}
	took := map[string]map[int]float64{}
	for _, rules := range []int{10, 1000, 10_000} {
		var engines []engine
		for _, m := range makers {
			e, err := m.make(rules)
			if err != nil {
				b.Fatalf("%s: %v", m.name, err)
			}
			engines = append(engines, e)
		}
		samples := make([][]float64, len(makers))
		for range rounds {
			for i, e := range engines {
				samples[i] = append(samples[i], perDecision(b, makers[i].name, e, questions(rules)))
			}
		}
		for i, m := range makers {
			if took[m.name] == nil {
				took[m.name] = map[int]float64{}
			}
			took[m.name][rules] = median(samples[i])
		}
	}
	fmt.Printf("\na decision, median of %d interleaved rounds, in microseconds; behind it the ratio to forkgate's\n%-10s %20s %20s %20s\n", rounds, "rules", "10", "1000", "10000")
	for _, m := range makers {
		fmt.Printf("%-10s", m.name)
		for _, rules := range []int{10, 1000, 10_000} {
			fmt.Printf(" %12.3f %6.0fx", took[m.name][rules], took[m.name][rules]/took["forkgate"][rules])
		}
		fmt.Println()
	}
	flat := took["forkgate"][10_000] / took["forkgate"][10]
	fmt.Printf("forkgate, 10000 rules to 10: %.2f (at most 1.5)\n", flat)
	load := loading(b, 1000)
	fmt.Printf("forkgate loads 1000 rules in %.1f ms (100 are asked for), and 10000 in %.1f times as long\n\n", 1000*load, loading(b, 10_000)/load)
	b.ReportMetric(flat, "flat/ratio")
	b.ReportMetric(took["OPA"][1000]/took["forkgate"][1000], "OPA/ratio")
}

// perDecision asks an engine for a fiftieth of a second at least, checks each answer, and returns the microseconds that one took.
func perDecision(b *testing.B, name string, e engine, all []question) float64 {
	b.Helper()
	asked, begun := 0, time.Now()
	for time.Since(begun) < 20*time.Millisecond {
		for _, q := range all {
			allowed, err := e.allows(q)
			if err != nil || allowed != q.want {
				b.Fatalf("%s answers %v to %+v, %v", name, allowed, q, err)
			}
		}
		asked += len(all)
	}
	return float64(time.Since(begun).Microseconds()) / float64(asked)
}

func loading(b *testing.B, rules int) float64 {
	b.Helper()
	source := policy.Text{Name: "rules.hcl", Text: []byte(inHCL(rules))}
	var samples []float64
	for range rounds {
		begun := time.Now()
		if _, err := policy.Load(source); err != nil {
			b.Fatal(err)
		}
		samples = append(samples, time.Since(begun).Seconds())
	}
	return median(samples)
}

func median(of []float64) float64 {
	sorted := slices.Sorted(slices.Values(of))
	return sorted[len(sorted)/2]
}
