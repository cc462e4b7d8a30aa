package door

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/crypto/ssh"

	"forkgate/gate"
	"forkgate/nsjail/wire"
)

// stopTimeout is how long something may take to listen no more before it is ended, with all that it carries.
const stopTimeout = 5 * time.Second

// wanted is what a client wants listened on inside (-R), and how it names that.
type wanted struct {
	to   gate.Destination
	host string // of a port, as the client writes it
}

// listener names something that listens, among those of one connection.
type listener struct {
	host string
	port uint16
	path string
}

// listening is a session that listens, and what it takes to end it.
type listening struct {
	*offers
	end     context.CancelFunc
	stopped chan struct{} // closed when it listens no more
}

// listen has something listen inside, and returns the port where the client left that open. The protocol has no room for a reason why not: the
// sessions of the connection hear it. What connects there waits until the client is sent the answer: some know of no listener before, and refuse
// what comes of it.
func (c *connection) listen(conn *ssh.ServerConn, r *ssh.Request, answered <-chan struct{}) (ok bool, reply []byte) {
	want, ok := parseListen(r.Type, r.Payload)
	if !ok {
		return false, nil
	}
	port, err := c.startListening(conn, want, answered)
	if err != nil {
		why, _ := whyNot(err)
		c.tell(fmt.Sprintf("nothing listens on %s (-R): %s", gate.Exact(want.to.Address()), why))
		return false, nil
	}
	if want.to.Path == "" && want.to.Port == 0 {
		reply = ssh.Marshal(struct{ Port uint32 }{uint32(port)})
	}
	return true, reply
}

// startListening opens the session that listens, waits until it does, and serves it beside all else of the connection.
func (c *connection) startListening(conn *ssh.ServerConn, want wanted, answered <-chan struct{}) (port uint16, err error) {
	run, err := c.openSession(conn, gate.OpForwardRemote, want.to)
	if err != nil {
		return 0, err
	}
	defer func() {
		if err != nil {
			run.Close()
			c.letForwardGo()
		}
	}()
	if port, err = listens(run.Offers); err != nil {
		return 0, err
	}
	if want.to.Port != 0 {
		port = want.to.Port // whatever the pod says: the client knows it by this
	}
	name := listener{host: want.host, port: port, path: want.to.Path}
	ctx, end := context.WithCancel(c.ctx)
	flow := c.newFlow(run, end)
	if !flow.begin() {
		end()
		flow.end()
		return 0, errUnrecorded
	}
	l := &listening{end: end, stopped: make(chan struct{})}
	l.offers = &offers{c: c, conn: conn, inside: run.Offers, flow: flow, channel: name.channel, stopped: func() { c.forgetListener(name, l) }}
	c.mu.Lock()
	c.listeners[name] = l
	c.mu.Unlock()
	go func() {
		defer c.letForwardGo()
		defer c.survive("listener")
		defer run.Close()
		defer flow.end()
		defer c.forgetListener(name, l)
		defer end()
		select {
		case <-answered:
		case <-ctx.Done():
		}
		err := l.serve(ctx)
		c.log.Info("nothing listens any more", "session", run.ID, "why", err)
	}()
	return port, nil
}

// listens waits until something listens inside, and returns on which port.
func listens(inside *wire.Conn) (port uint16, err error) {
	_ = inside.SetDeadline(time.Now().Add(connectTimeout))
	defer inside.SetDeadline(time.Time{})
	m, files, err := inside.Receive()
	wire.CloseAll(files)
	if err != nil {
		return 0, errors.Join(errNoAnswer, err)
	}
	switch m.Type {
	case wire.TypeListening:
		var where wire.Listening
		err := m.Decode(&where)
		return where.Port, err
	case wire.TypeNo:
		var no wire.No
		if err := m.Decode(&no); err != nil {
			return 0, err
		}
		return 0, insideSays(no.Error)
	}
	return 0, fmt.Errorf("%w: %.40q", errOffers, m.Type)
}

// insideSays is why something does not listen: a pod's word.
type insideSays string

func (s insideSays) Error() string { return gate.Printable(string(s[:min(len(s), maxWhy)])) }

func (c *connection) forgetListener(name listener, l *listening) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l.noteStopped()
	if c.listeners[name] == l {
		delete(c.listeners, name)
	}
}

// noteStopped notes that nothing listens any more. It is called with the connection's lock.
func (l *listening) noteStopped() {
	select {
	case <-l.stopped:
	default:
		close(l.stopped)
	}
}

// stopListening has something of this connection's own listen no more, and returns when it does not: the client may ask for the same again. What it
// carries goes on.
func (c *connection) stopListening(r *ssh.Request) (ok bool) {
	want, ok := parseListen(r.Type, r.Payload)
	if !ok {
		return false
	}
	c.mu.Lock()
	l, ok := c.listeners[listener{host: want.host, port: want.to.Port, path: want.to.Path}]
	c.mu.Unlock()
	if !ok {
		return false
	}
	if l.stop() != nil {
		l.end()
	}
	late := time.NewTimer(stopTimeout)
	defer late.Stop()
	select {
	case <-l.stopped:
	case <-late.C:
		l.end()
	}
	return true
}

// channel is what leads from there to the client: forwarded-tcpip (RFC 4254 section 7.2) or forwarded-streamlocal@openssh.com (PROTOCOL of
// OpenSSH, section 2.4), in the client's own words.
func (l listener) channel(who wire.Arrived) (kind string, payload []byte) {
	if l.path != "" {
		return "forwarded-streamlocal@openssh.com", ssh.Marshal(struct{ Path, Reserved string }{l.path, ""})
	}
	origin, err := netip.ParseAddr(who.Address)
	if err != nil {
		origin = netip.IPv4Unspecified()
	}
	return "forwarded-tcpip", ssh.Marshal(struct {
		Host       string
		Port       uint32
		Origin     string
		OriginPort uint32
	}{l.host, uint32(l.port), origin.String(), uint32(who.Port)})
}

// parseListen reads tcpip-forward or streamlocal-forward@openssh.com, and what cancels them, which say the same.
func parseListen(kind string, payload []byte) (wanted, bool) {
	if kind == "streamlocal-forward@openssh.com" || kind == "cancel-streamlocal-forward@openssh.com" {
		var m struct{ Path string }
		err := ssh.Unmarshal(payload, &m)
		return wanted{to: gate.Destination{Path: m.Path}}, err == nil
	}
	var m struct {
		Host string
		Port uint32
	}
	err := ssh.Unmarshal(payload, &m)
	to := gate.Destination{Host: m.Host, Port: uint16(m.Port)}
	if m.Host == "" { // RFC 4254 section 7.1
		to.Host = gate.AnyHost
	}
	return wanted{to: to, host: m.Host}, err == nil && m.Port < 1<<16
}
