package warden

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"forkgate/gate/warden/client"
)

const (
	// downs bounds how many forks hear at the same time that the host goes down.
	downs = 16
	// downTime is how long after the beginning the last fork hears of it: with half a minute for its function that is less than forkgate-down.service has.
	downTime = 45 * time.Second
)

// down has each pod that runs hear that the host is about to stop it: its Rediaccfile's down is called. Repositories hear of it at once, whatever forks
// do, and forks for as long as there is time. The pods themselves are systemd's to stop.
func down(ctx context.Context, r *request, _ struct{}) (answer, error) {
	if err := r.record("down"); err != nil {
		return answer{}, err
	}
	guids, err := r.pods.Running(ctx)
	if err != nil {
		return answer{}, err
	}
	var all sync.WaitGroup
	said, slots, late := client.DownReply{Pods: []string{}}, make(chan struct{}, downs), time.After(downTime)
	call := func(guid, ref string, after func()) {
		said.Pods = append(said.Pods, ref)
		all.Go(func() {
			defer after()
			r.pods.down(ctx, guid)
		})
	}
	var forks []string
	for _, guid := range guids {
		switch t, ok := r.trees.Get(guid); {
		case ok && t.Grand:
			call(guid, t.Ref(), func() {})
		case ok:
			forks = append(forks, guid)
		}
	}
	for i, guid := range r.inTurn(forks) {
		select {
		case slots <- struct{}{}:
		case <-late:
			said.Late = len(forks) - i
		}
		if said.Late > 0 {
			break
		}
		if t, ok := r.trees.Get(guid); ok {
			call(guid, t.Ref(), func() { <-slots })
		}
	}
	all.Wait()
	slices.Sort(said.Pods)
	return answer{body: said}, nil
}

// inTurn has the first fork of each owner come first, then the second of each: nobody's many keep others' from hearing.
func (w *Warden) inTurn(guids []string) []string {
	turn, seen := map[string]int{}, map[string]int{}
	for _, guid := range guids {
		t, _ := w.trees.Get(guid)
		turn[guid] = seen[t.Owner]
		seen[t.Owner]++
	}
	slices.SortStableFunc(guids, func(a, b string) int { return cmp.Compare(turn[a], turn[b]) })
	return guids
}
