package egress

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// denials counts what was denied, and tells of it once a second: a program that tries again all the time is one line.
type denials struct {
	mu  sync.Mutex
	all map[Denied]int // with Count 0
}

func newDenials() *denials { return &denials{all: map[Denied]int{}} }

// maxKinds is how many different ones of a pod are told of at once; then there is one for the rest.
const maxKinds = 16

// maxTold bounds all of them.
const maxTold = 1024

func (d *denials) add(one Denied) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, known := d.all[one]; !known && (len(d.all) >= maxTold || d.of(one.GUID) >= maxKinds) {
		one.Host, one.Port, one.Why = "", 0, "and others"
	}
	d.all[one]++
}

func (d *denials) of(guid string) (kinds int) {
	for one := range d.all {
		if one.GUID == guid {
			kinds++
		}
	}
	return kinds
}

func (d *denials) drain() (told []Denied) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for one, count := range d.all {
		one.Count = count
		told = append(told, one)
	}
	clear(d.all)
	return told
}

// restore puts back what could not be told.
func (d *denials) restore(told []Denied) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, one := range told {
		count := one.Count
		if one.Count = 0; len(d.all) < maxTold {
			d.all[one] += count
		}
	}
}

// keep tells until ctx ends, and then once more.
func (d *denials) keep(ctx context.Context, tell func(context.Context, []Denied) (int, error), log *slog.Logger) {
	for failing := false; ; {
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
		if told := d.drain(); len(told) > 0 {
			telling, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
			done, err := tell(telling, told)
			cancel()
			d.restore(told[done:])
			if err != nil && !failing {
				log.Error("what pods were denied is not in the record yet", "err", err)
			}
			failing = err != nil
		}
		if ctx.Err() != nil {
			return
		}
	}
}
