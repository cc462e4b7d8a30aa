package warden

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// Who waits long for a pod hears of that and of what is printed there, from the beginning; who does not hears nothing, and nobody when his wait is over.
func TestWhoWaitsHearsWhatGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPods(nil, nil, "", nil)
		heard := map[string][]string{}
		to := func(who string) func(string) { return func(text string) { heard[who] = append(heard[who], text) } }
		long, short := p.attend("1", "demo:x", to("long")), p.attend("1", "demo:x", to("short"))
		other := p.attend("2", "demo:y", to("other"))
		p.attend("1", "demo:x", nil)() // a verb's, which hears nothing
		for n := range maxHeld + 5 {
			p.announce("1", fmt.Sprint("up: ", n))
		}
		short()
		time.Sleep(silence + time.Millisecond)
		late := p.attend("1", "demo:x", to("late"))
		p.announce("1", "up: then")
		for range 2 * maxAnnounced {
			p.announce("1", "up: more")
		}
		if n := len(heard["long"]); n != 2*maxAnnounced || heard["long"][n-2] != "and more, which is in the journal" {
			t.Errorf("%d are heard", n)
		}
		heard["long"] = heard["long"][:2*maxHeld+4]
		long()
		p.announce("1", "up: nobody hears this")
		late()
		other()
		want := []string{"waiting for demo:x to start", ""}
		for n := range maxHeld {
			want = append(want, fmt.Sprint("up: ", n), "")
		}
		want = append(want, "up: then", "")
		if !slices.Equal(heard["long"], want) || len(heard["short"])+len(heard["late"]) != 0 || !slices.Equal(heard["other"], []string{"waiting for demo:y to start", ""}) {
			t.Errorf("heard %q", heard)
		}
		time.Sleep(time.Hour)
		if len(p.attending) != 0 {
			t.Errorf("left: %v", p.attending)
		}
	})
}
