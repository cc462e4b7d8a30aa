package sftp

import (
	"fmt"
	"io"
	"math"
	"slices"
	"sync"

	"forkgate/gate"
)

// What one session may have at once.
const (
	maxAsked  = 4096    // requests without an answer; OpenSSH's client has 64
	maxOpen   = 1024    // handles
	maxHandle = 256     // bytes of one, section 4 of the draft
	maxRoom   = 4 << 20 // bytes of paths, and of contents that wait for what comes before them
)

// Decoder reads along in one session. Its taps may be written to at the same time.
type Decoder struct {
	report func(gate.FileOperation) error
	most   uint64 // of how much there is a sum

	mu       sync.Mutex
	requests splitter
	answers  splitter
	asked    map[uint32]*asked
	settled  *sync.Cond // fewer than before are asked, or nothing is known any more
	open     map[string]*file
	room     int
	began    bool // the client has said its version
	greeted  bool // and the server its own
	err      error
}

// Everything is how much New takes sums of where each has to have one.
const Everything = math.MaxUint64

// New makes a decoder that reports each operation when it is answered, before the write returns that brought the answer. An error of
// report's ends reading along. Of what is longer than most bytes there is no sum.
func New(report func(gate.FileOperation) error, most uint64) *Decoder {
	d := &Decoder{report: report, most: most, asked: map[uint32]*asked{}, open: map[string]*file{}, room: maxRoom}
	d.settled = sync.NewCond(&d.mu)
	return d
}

// Await returns once no more than so many requests are without an answer, or nothing is known of them any more.
func (d *Decoder) Await(most int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for len(d.asked) > most && d.err == nil {
		d.settled.Wait()
	}
}

// Requests takes what the client sends, before the server has it. An error is for good, and that of the other tap as well: ErrMalformed,
// ErrBounds, ErrOver, or report's.
func (d *Decoder) Requests() io.Writer { return tap{d, &d.requests, d.request} }

// Answers takes what the server sends, before the client has it. Errors are as with Requests.
func (d *Decoder) Answers() io.Writer { return tap{d, &d.answers, d.answer} }

// Close reports what was asked and has no answer, and what is open: the session is over. Errors are report's. From then on taps return
// ErrOver, if nothing else: a request that came later would be answered to nobody, and told to nobody, and should not be passed on.
func (d *Decoder) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err == nil {
		d.err = ErrOver
	}
	d.settled.Broadcast()
	return d.flush()
}

type tap struct {
	*Decoder
	from *splitter
	read func(packet []byte) error
}

func (t tap) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for rest := p; t.err == nil; {
		packet, behind, err := t.from.next(rest)
		if err == nil && packet != nil {
			err = t.read(packet)
		}
		if err != nil {
			t.err = err
			t.settled.Broadcast()
			_ = t.flush() // what was seen until then is told of all the same
		}
		if packet == nil {
			break
		}
		rest = behind
	}
	if t.err != nil {
		return 0, t.err
	}
	return len(p), nil
}

// flush reports what is unfinished, the oldest first, and forgets it.
func (d *Decoder) flush() error {
	var left []gate.FileOperation
	for _, a := range d.asked {
		switch {
		case a.does != nil:
			a.does.Outcome = gate.FileUnanswered
			left = append(left, *a.does)
		case a.opens != nil:
			left = append(left, d.operations(a.opens, gate.FileUnanswered)...)
		}
	}
	for _, f := range d.open {
		left = append(left, d.operations(f, gate.FileUnclosed)...)
	}
	d.asked, d.open = map[uint32]*asked{}, map[string]*file{}
	slices.SortFunc(left, func(a, b gate.FileOperation) int { return a.Began.Compare(b.Began) })
	for _, op := range left {
		if err := d.report(op); err != nil {
			return err
		}
	}
	return nil
}

// answer takes in one packet of the server's.
func (d *Decoder) answer(packet []byte) error {
	c := &cursor{rest: packet}
	kind := c.byte()
	if !d.greeted {
		if version := c.u32(); !d.began || kind != typeVersion || version != 3 {
			return fmt.Errorf("%w: the server does not begin by saying that it speaks version 3", ErrMalformed)
		}
		d.greeted = true
		return nil
	}
	id := c.u32()
	a, ok := d.asked[id]
	if !ok || c.short {
		return fmt.Errorf("%w: an answer to no request", ErrMalformed)
	}
	if kind != typeStatus && kind != a.may && a.may != anyAnswer {
		return fmt.Errorf("%w: type %d is no answer to what was asked", ErrMalformed, kind)
	}
	delete(d.asked, id)
	d.settled.Signal()
	word := gate.FileOK
	if kind == typeStatus {
		word = said(c.u32())
	}
	if err := d.settle(a, kind, word, c); err != nil {
		return err
	}
	if c.short {
		return fmt.Errorf("%w: an answer of type %d is cut", ErrMalformed, kind)
	}
	if a.does == nil {
		return nil
	}
	d.room += a.cost
	a.does.Outcome = word
	return d.report(*a.does)
}

// settle does what an answer means for files.
func (d *Decoder) settle(a *asked, kind byte, word string, c *cursor) error {
	switch {
	case a.opens != nil && kind == typeHandle:
		return d.opened(a, c.string())
	case a.opens != nil && word == gate.FileOK:
		return fmt.Errorf("%w: a file was opened, and has no handle", ErrMalformed)
	case a.opens != nil:
		d.room += a.cost
		return d.tell(d.operations(a.opens, word))
	case a.of == nil:
		return nil
	case a.closes:
		return d.closed(a.of, word)
	}
	a.of.waits--
	if kind == typeData {
		data := c.string()
		if len(data) > int(a.most) {
			return fmt.Errorf("%w: more was read than was asked for", ErrMalformed)
		}
		a.of.in.take(a.at, data, &d.room)
	} else if word != gate.FileOK && !(a.may == typeData && word == endOfFile) {
		a.of.fails(word)
	}
	return nil
}

func (d *Decoder) tell(operations []gate.FileOperation) error {
	for _, op := range operations {
		if err := d.report(op); err != nil {
			return err
		}
	}
	return nil
}

// endOfFile is the status at a file's end, and at a directory's.
const endOfFile = "end of file"

// said is what a status means, section 7 of the draft.
func said(code uint32) string {
	words := [...]string{
		gate.FileOK, endOfFile, "no such file", "permission denied", "failure", "bad message", "no connection", "connection lost", "unsupported",
	}
	if code < uint32(len(words)) {
		return words[code]
	}
	return fmt.Sprintf("status %d", code)
}
