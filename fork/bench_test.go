package fork

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"
)

// BenchmarkFork makes forks one after the other, with time between them in which spares are refilled.
func BenchmarkFork(b *testing.B) {
	for _, spares := range []bool{true, false} {
		b.Run(fmt.Sprintf("spares=%v", spares), func(b *testing.B) {
			s := newStore(b, Options{Share: most(Slots)})
			demo := createRepo(b, s, "demo", Source{})
			write(b, s.Dirs(demo).Data+"/file", "production")
			if spares {
				keepSpares(b, s)
			}
			took := map[string][]time.Duration{}
			for i := 0; b.Loop(); i++ {
				b.StopTimer()
				time.Sleep(2 * refillPause)
				if spares {
					waitForSpares(b, s)
				}
				b.StartTimer()
				start := time.Now()
				_, steps, err := s.Fork(context.Background(), demo, fmt.Sprintf("t%d", i), "alice", roomy)
				if err != nil {
					b.Fatal(err)
				}
				took["all"] = append(took["all"], time.Since(start))
				for _, step := range steps {
					took[step.Name] = append(took[step.Name], step.Took)
				}
			}
			for name, each := range took {
				slices.Sort(each)
				b.ReportMetric(float64(each[len(each)/2].Microseconds()), name+"-median-us")
			}
		})
	}
}

// keepSpares runs KeepSpares for the length of the test.
func keepSpares(t testing.TB, s *Store) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.KeepSpares(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
}

func waitForSpares(t testing.TB, s *Store) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); s.spares.count() < spareCount; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no spares are made")
		}
	}
}
