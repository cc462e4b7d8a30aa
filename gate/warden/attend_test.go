package warden

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Who waits long for a pod hears of that and of what is printed there, from the beginning; who does not hears nothing, and nobody when his wait is over.
func TestWhoWaitsHearsWhatGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPods(nil, nil, "", nil)
		var mu sync.Mutex
		heard := map[string][]string{}
		to := func(who string) func(string) {
			return func(text string) {
				mu.Lock()
				defer mu.Unlock()
				heard[who] = append(heard[who], text)
			}
		}
		long, short := p.attend("1", "demo:x", to("long")), p.attend("1", "demo:x", to("short"))
		other := p.attend("2", "demo:y", to("other"))
		p.attend("1", "demo:x", nil)() // a verb's, which hears nothing
		p.announce("1", "up: 0")
		short()
		time.Sleep(silence + time.Millisecond)
		late := p.attend("1", "demo:x", to("late"))
		p.announce("1", "up: 1")
		p.announce("1", "up: 2") // and at once the wait is over
		long()
		p.announce("1", "up: nobody hears this")
		late()
		other()
		want := []string{"waiting for demo:x to start", "", "up: 0", "", "up: 1", "", "up: 2", ""}
		if !slices.Equal(heard["long"], want) || len(heard["short"])+len(heard["late"]) != 0 || !slices.Equal(heard["other"], []string{"waiting for demo:y to start", ""}) {
			t.Errorf("heard %q", heard)
		}
		if len(p.attending) != 0 {
			t.Errorf("left: %v", p.attending)
		}
	})
}

// However much is printed, so much is heard; and who reads nothing holds up nobody but himself.
func TestWhoReadsNothingHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPods(nil, nil, "", nil)
		deaf, begun := make(chan struct{}), time.Now()
		var heard []string
		first := p.attend("1", "demo:x", func(string) { <-deaf })
		second := p.attend("1", "demo:x", func(text string) { heard = append(heard, text) })
		time.Sleep(silence + time.Millisecond)
		for n := range 3 * maxAnnounced {
			p.announce("1", fmt.Sprint("up: ", n))
			synctest.Wait()
		}
		if time.Since(begun) > silence+time.Second {
			t.Error("whoever prints has waited")
		}
		second()
		if n := len(heard); n != 2*maxAnnounced || heard[n-2] != "and more, which is in the journal" {
			t.Errorf("%d are heard, at last %q", n, heard[n-2])
		}
		close(deaf)
		first()
	})
}
