package policy

import "time"

// Bounds of connections where no block says.
const (
	DefaultSessions  = 16
	DefaultForwards  = 64
	DefaultPrincipal = 256

	mostChannels    = 1024
	mostConnections = 4096
)

// Connections is what the files say of SSH connections.
type Connections struct {
	Sessions  int           // at a time, on one connection
	Forwards  int           // the same, and of what connects to listeners (-R)
	Principal int           // connections that one principal has at a time
	Idle      time.Duration // one by which nothing goes for so long is ended, whatever keepalives its client sends; 0: none is
}

// DefaultConnections is what stands where the files say nothing.
func DefaultConnections() Connections {
	return Connections{Sessions: DefaultSessions, Forwards: DefaultForwards, Principal: DefaultPrincipal}
}

// Connections says it.
func (p *Policy) Connections() Connections { return p.connections }

func (l *loader) readConnections() {
	c := &l.policy.connections
	*c = DefaultConnections()
	block := l.only("connections")
	if block == nil {
		return
	}
	f := l.fields(block)
	for _, bound := range []struct {
		name  string
		into  *int
		least int
		most  int
	}{{"sessions", &c.Sessions, 1, mostChannels}, {"forwards", &c.Forwards, 0, mostChannels}, {"principal", &c.Principal, 1, mostConnections}} {
		if f.has(bound.name) {
			*bound.into = int(f.number(bound.name, bound.least, bound.most))
		}
	}
	c.Idle = f.duration("idle", time.Second, 0)
}
