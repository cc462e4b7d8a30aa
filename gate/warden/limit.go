package warden

import "sync"

// What a peer may have at once.
const (
	maxConnections = 4096 // per uid: one for each SSH connection
	maxSessions    = 256  // per account of sshd's door: one for each session
	maxUnanswered  = 32   // requests per connection
	maxRequests    = 16   // requests per principal, over all connections
	maxWaiting     = 256  // the same, that wait for their turn
)

// limit counts what each K has, up to a maximum.
type limit[K comparable] struct {
	most func() int
	mu   sync.Mutex
	has  map[K]int
}

func newLimit[K comparable](most int) *limit[K] { return boundedBy[K](func() int { return most }) }

// boundedBy is a limit whose maximum is another one at times.
func boundedBy[K comparable](most func() int) *limit[K] {
	return &limit[K]{most: most, has: map[K]int{}}
}

// take counts one more for k, until release is called; ok is false where k has its fill.
func (l *limit[K]) take(k K) (release func(), ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.has[k] >= l.most() {
		return nil, false
	}
	l.has[k]++
	return sync.OnceFunc(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.has[k]--; l.has[k] == 0 {
			delete(l.has, k)
		}
	}), true
}
