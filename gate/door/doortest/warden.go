// Package doortest is a warden for tests of doors: it speaks the warden's protocol on a real socket, knows the keys that a
// test gives it, and runs commands as the test's own user, without a pod. It is no protection of any kind.
package doortest

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"

	"forkgate/gate"
	"forkgate/gate/tape"
	"forkgate/gate/warden/client"
	"forkgate/nsjail/wire"
)

// Warden answers doors. Its fields are set before the first door dials.
type Warden struct {
	Path    string     // of its socket
	HostKey ssh.Signer // ed25519
	NextKey ssh.Signer // that is to follow it; nil: none

	// Judge decides on each request to open a session; nil permits.
	Judge func(client.AssertRequest, client.OpenRequest) error
	// Verb answers control words; nil refuses.
	Verb func(client.AssertRequest, client.VerbRequest) ([]byte, error)
	// Single connections could be a person's.
	Single bool
	// Bounds are what a connection may have open.
	Bounds client.Bounds
	// There is what stands at an address inside, as a shell command; nil: nothing does.
	There func(address string) string
	// AgentSocket is where a caller's ssh-agent is offered; empty: nowhere.
	AgentSocket string
	// Asks for a touch beside a certificate, of the keys that KnowTouch names.
	Asks bool
	// Sign is what it has signed by keys that it does not ask.
	Sign string
	// Touch says whose touch is refused; nil refuses nobody's.
	Touch func(client.TouchRequest) error
	// Refuse says whose assertion is refused; nil refuses nobody's.
	Refuse func(client.AssertRequest) error
	// Deaf sessions never read what the door sends them.
	Deaf bool
	// Shut refuses to look any key up, as a warden does whose policy does not load.
	Shut *gate.Refusal
	// Struck is what is said of limits after each session that failed.
	Struck client.StruckReply
	// Ended is why sessions are ended, for doors that ask.
	Ended string
	// Tell is what callers are told before their session is opened or refused; empty: nothing.
	Tell string
	// Approved callers are told as well that they wait no more.
	Approved bool
	// Record is how sessions are recorded: all of them in the file Tape.
	Record string
	Tape   string
	Terms  tape.Terms
	// Wordless sessions vanish instead of telling how they ended.
	Wordless bool

	t     testing.TB
	mu    sync.Mutex
	keys  map[string]bool
	seen  Seen
	conns map[*wire.Conn]struct{}
	stop  func()
}

// Seen is what a warden was asked.
type Seen struct {
	Offered  [][]byte
	Asserted []client.AssertRequest
	Opened   []client.OpenRequest
	Verbs    []client.VerbRequest
	Touched  []client.TouchRequest
	Untaped  []client.UntapedRequest
	Without  []client.UntouchedRequest
	Files    []client.FilesRequest
	Told     []client.StrangersRequest
	GaveUp   int // requests for whose answer nobody waits any more
	Signed   int // key exchanges
	Running  int // sessions whose command has not ended
	Over     int // connections from inside that the door says are over
}

// New makes a warden with a new host key. Start starts it.
func New(t testing.TB) *Warden {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return &Warden{
		Path: filepath.Join(t.TempDir(), "warden.sock"), HostKey: signer, Bounds: client.Bounds{Sessions: 16, Forwards: 64},
		t: t, keys: map[string]bool{},
	}
}

// Start listens. The warden stops at the end of the test, or with Stop.
func (w *Warden) Start() {
	w.t.Helper()
	l, err := wire.Listen(w.Path, 0o600)
	if err != nil {
		w.t.Fatal(err)
	}
	w.conns = map[*wire.Conn]struct{}{}
	var accepting sync.WaitGroup
	accepting.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			w.mu.Lock()
			w.conns[c] = struct{}{}
			w.mu.Unlock()
			accepting.Go(func() { w.serve(c) })
		}
	})
	w.stop = sync.OnceFunc(func() {
		l.Close()
		os.Remove(w.Path)
		w.mu.Lock()
		for c := range w.conns {
			c.Close()
		}
		w.mu.Unlock()
		accepting.Wait()
	})
	w.t.Cleanup(w.stop)
}

// Know makes Identify know a key.
func (w *Warden) Know(key ssh.PublicKey) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.keys[string(key.Marshal())] = true
}

// KnowTouch makes a touch of a key count.
func (w *Warden) KnowTouch(key ssh.PublicKey) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.keys["touch "+string(key.Marshal())] = true
}

// Say says something, without having been asked, to the session that it opens for each door.
func (w *Warden) Say(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.conns {
		if err := c.Send(0, client.TypeNotice, client.Notice{Session: "fake-session", Text: text}); err != nil {
			w.t.Logf("fake warden: %v", err)
		}
	}
}

// Stop hangs up on every door and stops listening. Sessions go on. Start starts the warden again.
func (w *Warden) Stop() { w.stop() }

// Seen tells what the warden was asked so far.
func (w *Warden) Seen() Seen {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen
}

func (w *Warden) note(f func(*Seen)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f(&w.seen)
}

// Doors is how many doors' connections are open.
func (w *Warden) Doors() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.conns)
}

func (w *Warden) serve(c *wire.Conn) {
	defer func() {
		c.Close()
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.conns, c)
	}()
	who := &asserted{}
	for {
		m, files, err := c.Receive()
		wire.CloseAll(files)
		if err != nil {
			return
		}
		if m.Type == client.TypeOpen {
			w.tell(c, m.ID)
		}
		body, reply, err := w.answer(who, m)
		switch r, refused := gate.AsRefusal(err); {
		case refused:
			err = c.Send(m.ID, client.TypeRefused, client.Refused{Reason: r.Reason, Hint: r.Hint})
		case err != nil:
			failed := &client.Failed{Session: "fake-failed"}
			errors.As(err, &failed)
			err = c.Send(m.ID, client.TypeFailed, *failed)
		default:
			err = c.Send(m.ID, m.Type, body, reply...)
		}
		wire.CloseAll(reply)
		if err != nil {
			w.t.Logf("fake warden: %v", err)
		}
	}
}

// prove signs by the next key alone.
func (w *Warden) prove(m wire.Message) (body any, files []*os.File, err error) {
	var q client.ProveRequest
	if err := m.Decode(&q); err != nil {
		return nil, nil, err
	}
	if w.NextKey == nil || !bytes.Equal(q.Key, w.NextKey.PublicKey().Marshal()) {
		return nil, nil, errors.New("another key")
	}
	sig, err := w.NextKey.Sign(rand.Reader, ssh.Marshal(struct {
		What         string
		Session, Key []byte
	}{"hostkeys-prove-00@openssh.com", q.SessionID, q.Key}))
	if err != nil {
		return nil, nil, err
	}
	return client.SignReply{Format: sig.Format, Blob: sig.Blob}, nil, nil
}

func (w *Warden) tell(c *wire.Conn, request uint64) {
	var lines []string
	if w.Tell != "" {
		lines = append(lines, w.Tell)
	}
	if w.Approved {
		lines = append(lines, "")
	}
	for _, line := range lines {
		if err := c.Send(request, client.TypeProgress, client.Progress{Line: line}); err != nil {
			w.t.Logf("fake warden: %v", err)
		}
	}
}

// asserted is who speaks on a door's connection.
type asserted struct {
	client.AssertRequest
	done bool
}

func (w *Warden) answer(who *asserted, m wire.Message) (body any, files []*os.File, err error) {
	switch m.Type {
	case client.TypeHostKeys:
		reply := client.HostKeysReply{Keys: [][]byte{w.HostKey.PublicKey().Marshal()}}
		if w.NextKey != nil {
			reply.Next = [][]byte{w.NextKey.PublicKey().Marshal()}
		}
		return reply, nil, nil
	case client.TypeProve:
		return w.prove(m)
	case client.TypeSign:
		var q client.SignRequest
		if err := m.Decode(&q); err != nil {
			return nil, nil, err
		}
		w.note(func(s *Seen) { s.Signed++ })
		sig, err := w.HostKey.Sign(rand.Reader, q.Data)
		if err != nil {
			return nil, nil, err
		}
		return client.SignReply{Format: sig.Format, Blob: sig.Blob}, nil, nil
	case client.TypeIdentify:
		return w.identify(m)
	case client.TypeAssert:
		return w.assert(who, m)
	case client.TypeTouch:
		return w.touch(who, m)
	case client.TypeUntouched:
		return w.untouched(m)
	case client.TypeOpen:
		return w.open(who, m)
	case client.TypeVerb:
		return w.verb(who, m)
	case client.TypeGiveUp:
		w.note(func(s *Seen) { s.GaveUp++ })
		return struct{}{}, nil, nil
	case client.TypeStruck:
		return w.Struck, nil, nil
	case client.TypeFiles:
		return w.files(m)
	case client.TypeUntaped:
		var q client.UntapedRequest
		err := m.Decode(&q)
		w.note(func(s *Seen) { s.Untaped = append(s.Untaped, q) })
		return struct{}{}, nil, err
	case client.TypeStrangers:
		var q client.StrangersRequest
		err := m.Decode(&q)
		w.note(func(s *Seen) { s.Told = append(s.Told, q) })
		return struct{}{}, nil, err
	case client.TypeEnded:
		return client.EndedReply{Why: w.Ended}, nil, nil
	}
	return nil, nil, fmt.Errorf("unknown message %q", m.Type)
}
