package door

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"

	"forkgate/gate"
	"forkgate/gate/warden/client"
)

// ear is a warden that is now and then away, and slower than what it is told of.
type ear struct {
	mu       sync.Mutex
	calls    int
	messages []client.FilesRequest
	during   func() // while it is told
}

func (e *ear) hear(_ context.Context, q client.FilesRequest) error {
	e.during()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.calls++; e.calls%10 == 1 {
		return errors.New("away")
	}
	e.messages = append(e.messages, q)
	return nil
}

// Of what comes by the thousand the warden is told the number, each once, and the newest: the record would count it. The control is what comes before.
func TestThousandsAreCounted(t *testing.T) {
	t.Parallel()
	const many = 5000
	var e ear
	w := newTold("s", slog.New(slog.DiscardHandler), e.hear)
	var n int
	one := func() {
		if n < many {
			n++
			w.add(gate.FileOperation{Did: gate.FileMkdir, Path: fmt.Append(nil, n)})
		}
	}
	e.during = func() { // what is told is being told while more is done
		for range 40 {
			one()
		}
	}
	for range 1100 {
		one()
	}
	tell := func() (calls int) {
		before := e.calls
		for w.tell(t.Context()) {
		}
		return e.calls - before
	}
	for n < many {
		one()
		if calls := tell(); n > 2*gate.FileLines && calls > 3 {
			t.Errorf("it is told %d times in a row of what is counted", calls)
		}
	}
	for range 3 { // it is away at one of them
		tell()
	}
	own, more := 0, 0
	var last gate.FileOperation
	for _, q := range e.messages {
		if len(q.Operations) > client.MaxFiles || q.More > 0 && len(q.Operations) == 0 {
			t.Errorf("%d operations, %d more", len(q.Operations), q.More)
		}
		own, more = own+len(q.Operations), more+q.More
		last = q.Operations[len(q.Operations)-1]
	}
	if own+more != many || own < gate.FileLines || own > gate.FileLines+len(e.messages)+10 || string(last.Path) != fmt.Sprint(many) {
		t.Errorf("%d are told of and %d counted in %d messages, the last is %s", own, more, len(e.messages), last.Path)
	}
}
