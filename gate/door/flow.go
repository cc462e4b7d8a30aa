package door

import (
	"io"
	"sync/atomic"

	"forkgate/gate/tape"
	"forkgate/gate/warden/client"
)

// flow counts what a forward carries, and puts that on its tape, where it has one: at its beginning, whenever so much more has gone, and at its end.
type flow struct {
	*recorder
	carried [2]atomic.Int64 // in and out
	told    atomic.Int64    // of both, when the tape was told last
}

// flowStep is after how many bytes the tape is told again.
const flowStep = 16 << 20

func (c *connection) newFlow(run *client.Session, end func()) *flow {
	s := &session{c: c, id: run.ID, log: c.log.With("session", run.ID)}
	return &flow{recorder: s.record(run.Tape, func(error) { end() })}
}

// begin reports whether the forward may go on: not where it has to be recorded, and is not.
func (f *flow) begin() bool { return (f.tape != nil || !f.required) && f.say(false) }

func (f *flow) end() {
	f.say(true)
	f.close()
}

func (f *flow) say(end bool) bool {
	if f.tape == nil {
		return true
	}
	return f.outcome(f.tape.Carried(tape.Carried{In: f.carried[0].Load(), Out: f.carried[1].Load(), End: end}))
}

func (f *flow) in(from io.Reader) io.Reader  { return f.counted(0, from) }
func (f *flow) out(from io.Reader) io.Reader { return f.counted(1, from) }

// counted counts one direction. A nil flow counts nothing.
func (f *flow) counted(way int, from io.Reader) io.Reader {
	if f == nil {
		return from
	}
	return counted{f, &f.carried[way], from}
}

type counted struct {
	*flow
	to   *atomic.Int64
	from io.Reader
}

func (r counted) Read(p []byte) (int, error) {
	n, err := r.from.Read(p)
	r.to.Add(int64(n))
	if all, told := r.carried[0].Load()+r.carried[1].Load(), r.told.Load(); all-told >= flowStep && r.told.CompareAndSwap(told, all) && !r.say(false) {
		return 0, errTape
	}
	return n, err
}
