package door

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Messages of a key exchange: RFC 4253 section 12, RFC 5656 section 7.1.
const (
	msgNewKeys  = 21
	msgKexReply = 31
)

// bundleTime is how long what belongs together is waited for. A client that asks for no EXT_INFO gets none.
const bundleTime = 2 * time.Millisecond

// bundle sends the end of the first key exchange in one piece, as sshd does: the answer, NEWKEYS, and EXT_INFO (RFC 8308), which the library
// writes one after the other. libssh may otherwise choose how to sign before it has heard what the server takes.
type bundle struct {
	wait time.Duration // in place of bundleTime, for tests
	over atomic.Bool

	mu   sync.Mutex
	held []byte
	late *time.Timer
}

// take returns what is to be sent now that p comes; nothing, while more belongs to it, and then send is called if that is late.
func (b *bundle) take(p []byte, send func([]byte)) []byte {
	if b.over.Load() {
		return p
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	kind := byte(0)
	if len(p) > 5 { // of a packet that is not encrypted: its length, that of the padding, its type
		kind = p[5]
	}
	switch {
	case b.over.Load():
		return p
	case kind == msgKexReply && b.held == nil:
		b.held = slices.Clone(p)
		b.late = time.AfterFunc(cmp.Or(b.wait, bundleTime), func() { b.send(send) })
		return nil
	case b.held == nil:
		return p
	case kind == msgNewKeys && len(p) == 16:
		b.held = append(b.held, p...)
		return nil
	}
	b.late.Stop()
	b.over.Store(true)
	all := append(b.held, p...)
	b.held = nil
	return all
}

// send sends what is held, before anything that comes later.
func (b *bundle) send(send func([]byte)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.over.Load() {
		send(b.held)
		b.over.Store(true)
		b.held = nil
	}
}
