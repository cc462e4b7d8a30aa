package doortest

import (
	"fmt"
	"os"

	"forkgate/gate/warden/client"
	"forkgate/nsjail/wire"
)

func (w *Warden) identify(m wire.Message) (any, []*os.File, error) {
	var q client.IdentifyRequest
	if err := m.Decode(&q); err != nil {
		return nil, nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen.Offered = append(w.seen.Offered, q.Key)
	if w.Shut != nil {
		return nil, nil, w.Shut
	}
	if q.Touch {
		return client.IdentifyReply{Known: w.keys["touch "+string(q.Key)]}, nil, nil
	}
	return client.IdentifyReply{Known: w.keys[string(q.Key)]}, nil, nil
}

func (w *Warden) assert(who *asserted, m wire.Message) (any, []*os.File, error) {
	if who.done {
		return nil, nil, fmt.Errorf("asserted twice")
	}
	if err := m.Decode(&who.AssertRequest); err != nil {
		return nil, nil, err
	}
	w.note(func(s *Seen) { s.Asserted = append(s.Asserted, who.AssertRequest) })
	if w.Refuse != nil {
		if err := w.Refuse(who.AssertRequest); err != nil {
			return nil, nil, err
		}
	}
	who.done = true
	return client.AssertReply{Single: w.Single, Bounds: w.Bounds, Touch: w.Asks, Sign: w.Sign}, nil, nil
}

func (w *Warden) touch(who *asserted, m wire.Message) (any, []*os.File, error) {
	var q client.TouchRequest
	if err := m.Decode(&q); err != nil {
		return nil, nil, err
	}
	w.note(func(s *Seen) { s.Touched = append(s.Touched, q) })
	if !who.done {
		return nil, nil, fmt.Errorf("nobody was asserted")
	}
	if w.Touch != nil {
		return struct{}{}, nil, w.Touch(q)
	}
	return struct{}{}, nil, nil
}

func (w *Warden) untouched(m wire.Message) (any, []*os.File, error) {
	var q client.UntouchedRequest
	err := m.Decode(&q)
	w.note(func(s *Seen) { s.Without = append(s.Without, q) })
	return struct{}{}, nil, err
}
