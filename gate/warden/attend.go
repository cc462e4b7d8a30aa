package warden

import "time"

const (
	// silence is how long a pod may take to start before who waits for it hears of that, and of what goes on.
	silence = 2 * time.Second
	// maxAnnounced bounds what anybody hears of one start.
	maxAnnounced = 100
)

// attendant tells one who waits for a pod what goes on there. Most wait for milliseconds, and hear nothing.
type attendant chan string

// attend has somebody hear of a pod's start, until the returned function is called: then he hears nothing more. Whoever announces something waits for
// nobody who hears it: he may read nothing.
func (p *pods) attend(guid, ref string, tell func(string)) (over func()) {
	if tell == nil {
		return func() {}
	}
	a := make(attendant, maxAnnounced)
	p.mu.Lock()
	if p.attending[guid] == nil {
		p.attending[guid] = map[attendant]bool{}
	}
	p.attending[guid][a] = true
	p.mu.Unlock()
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		a.serve(ref, tell, stop)
	}()
	return func() {
		p.mu.Lock()
		delete(p.attending[guid], a)
		if len(p.attending[guid]) == 0 {
			delete(p.attending, guid)
		}
		p.mu.Unlock()
		close(stop)
		<-done
	}
}

// announce has all who wait for a pod hear a line. Who is too slow for it misses it.
func (p *pods) announce(guid, line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for a := range p.attending[guid] {
		select {
		case a <- line:
		default:
		}
	}
}

// serve tells nothing at first, then what has come until then, and then what comes.
func (a attendant) serve(ref string, tell func(string), stop <-chan struct{}) {
	say := func(text string) {
		tell(text)
		tell("") // a line by itself says that something waits for an approval
	}
	select {
	case <-stop:
		return
	case <-time.After(silence):
	}
	say("waiting for " + ref + " to start")
	for said := 1; said < maxAnnounced-1; said++ {
		select {
		case line := <-a:
			say(line)
		case <-stop:
			a.rest(say, maxAnnounced-said)
			return
		}
	}
	say("and more, which is in the journal")
	<-stop
}

// rest tells what has come before the end.
func (a attendant) rest(say func(string), most int) {
	for range most {
		select {
		case line := <-a:
			say(line)
		default:
			return
		}
	}
}
