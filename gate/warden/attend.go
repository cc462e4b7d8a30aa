package warden

import (
	"sync"
	"time"
)

const (
	// silence is how long a pod may take to start before who waits for it hears of that, and of what goes on.
	silence = 2 * time.Second
	// maxHeld bounds the lines that are kept until then.
	maxHeld = 20
	// maxAnnounced bounds what anybody hears of one start: who reads nothing has to be kept room for.
	maxAnnounced = 100
)

// attendant tells one who waits for a pod what goes on there. Most wait for milliseconds, and hear nothing.
type attendant struct {
	mu   sync.Mutex
	tell func(text string) // nil: the wait is over
	long bool
	held []string
	said int
}

// attend has somebody hear of a pod's start, until the returned function is called.
func (p *pods) attend(guid, ref string, tell func(string)) (over func()) {
	if tell == nil {
		return func() {}
	}
	a := &attendant{tell: tell}
	p.mu.Lock()
	if p.attending[guid] == nil {
		p.attending[guid] = map[*attendant]bool{}
	}
	p.attending[guid][a] = true
	p.mu.Unlock()
	timer := time.AfterFunc(silence, func() { a.begin("waiting for " + ref + " to start") })
	return func() {
		timer.Stop()
		a.end()
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.attending[guid], a)
		if len(p.attending[guid]) == 0 {
			delete(p.attending, guid)
		}
	}
}

// announce has all who wait for a pod hear a line.
func (p *pods) announce(guid, line string) {
	p.mu.Lock()
	var all []*attendant
	for a := range p.attending[guid] {
		all = append(all, a)
	}
	p.mu.Unlock()
	for _, a := range all {
		a.hear(line)
	}
}

func (a *attendant) begin(text string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.long = true
	a.say(text)
	for _, line := range a.held {
		a.say(line)
	}
	a.held = nil
}

func (a *attendant) hear(line string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.long:
		a.say(line)
	case len(a.held) < maxHeld:
		a.held = append(a.held, line)
	}
}

// say tells it, and that nothing waits for an approval, which is what a line by itself says.
func (a *attendant) say(text string) {
	if a.said++; a.said == maxAnnounced {
		text = "and more, which is in the journal"
	}
	if a.tell != nil && a.said <= maxAnnounced {
		a.tell(text)
		a.tell("")
	}
}

func (a *attendant) end() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tell = nil
}
