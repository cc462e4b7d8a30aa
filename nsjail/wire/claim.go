package wire

import (
	"context"
	"errors"
	"os"
	"time"
)

// Claim is something that a service does for somebody for as long as they stay connected, such as the rules of a pod.
type Claim struct {
	Socket   string
	Protocol Protocol
	Type     string // of the message that asks for it
	Body     any
	Files    []*os.File // stay the caller's

	Late func(error) // told once if the service is gone for longer than it takes to start anew; nil: nobody
	Back func()      // told each time that it has come back; nil: nobody
}

// Granted and Refused are the types of its answer.
const (
	Granted = "ok"
	Refused = "no"
)

// Refusal is the body of the answer Refused.
type Refusal struct {
	Error string `json:"error"`
}

// patience is for one message.
const patience = 10 * time.Second

// Ask asks for it, and reads into reply what the service says. It is done until the connection ends.
func (c Claim) Ask(ctx context.Context, reply any) (_ *Conn, err error) {
	conn, err := Dial(c.Socket)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer func() {
		if !stop() && err == nil {
			err = ctx.Err()
		}
		if err != nil {
			conn.Close()
		}
	}()
	_ = conn.SetDeadline(time.Now().Add(patience))
	conn.Speak(c.Protocol)
	if err := conn.Send(0, c.Type, c.Body, c.Files...); err != nil {
		return nil, err
	}
	m, files, err := conn.Receive()
	CloseAll(files)
	if err != nil {
		return nil, err
	}
	if err := c.Protocol.Understood(m); err != nil {
		return nil, err
	}
	if m.Type != Granted {
		var no Refusal
		return nil, errors.Join(errors.New("the service refuses"), m.Decode(&no), errors.New(no.Error))
	}
	if err := m.Decode(reply); err != nil {
		return nil, err
	}
	return conn, conn.SetDeadline(time.Time{})
}

// Late is after how long a service that has not come back is late.
const Late = 10 * time.Second

// How long to wait before the next attempt, at first and at last.
const (
	firstRetry = 200 * time.Millisecond
	lastRetry  = 5 * time.Second
)

// Keep holds a connection, and claims anew when it ends, until ctx does. again is Ask, and what else has to be so.
func (c Claim) Keep(ctx context.Context, conn *Conn, again func(context.Context) (*Conn, error)) {
	for conn != nil {
		held := conn // what ends it may still be under way when there is another one
		stop := context.AfterFunc(ctx, func() { held.Close() })
		_, files, _ := held.Receive() // until the service goes; it says nothing more
		CloseAll(files)
		stop()
		held.Close()
		conn = c.keepAsking(ctx, again)
	}
}

// keepAsking returns nil when ctx has ended.
func (c Claim) keepAsking(ctx context.Context, again func(context.Context) (*Conn, error)) *Conn {
	since, wait := time.Now(), firstRetry
	for told := false; ctx.Err() == nil; {
		conn, err := again(ctx)
		if err == nil {
			if c.Back != nil {
				c.Back()
			}
			return conn
		}
		if time.Since(since) > Late {
			if !told && c.Late != nil {
				c.Late(err)
			}
			told, wait = true, min(2*wait, lastRetry) // it refuses, or somebody has to mend it
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
	return nil
}
