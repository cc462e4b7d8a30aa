package warden

import (
	"context"
	"sync"

	"forkgate/gate/warden/client"
)

// downs bounds how many pods hear at the same time that the host goes down.
const downs = 16

// down has each pod that runs hear that the host is about to stop it: its Rediaccfile's down is called. The pods themselves are systemd's to stop.
func down(ctx context.Context, r *request, _ struct{}) (answer, error) {
	if err := r.record("down"); err != nil {
		return answer{}, err
	}
	guids, err := r.pods.Running(ctx)
	if err != nil {
		return answer{}, err
	}
	said := client.DownReply{Pods: []string{}}
	var all sync.WaitGroup
	slots := make(chan struct{}, downs)
	for _, guid := range guids {
		t, ok := r.trees.Get(guid)
		if !ok {
			continue
		}
		said.Pods = append(said.Pods, t.Ref())
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			r.pods.down(ctx, guid)
		})
	}
	all.Wait()
	return answer{body: said}, nil
}
