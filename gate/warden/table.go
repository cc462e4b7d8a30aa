package warden

import (
	"context"
	"os"
	"time"

	"forkgate/gate/warden/client"
	"forkgate/nsjail/wire"
)

// message is one row of the table of what peers say.
type message struct {
	from  role  // who may send it
	when  phase // and when; an operator never asserts an identity
	files int   // how many descriptors may come with it
	long  bool  // answered by a goroutine of its own, once what it wrote into the record is on the disk; the others are answered in order, and may change the connection's state
	read  func(wire.Message) (call, error)
}

// call answers a message that has been read.
type call func(context.Context, *request) (answer, error)

// request is one message under way.
type request struct {
	*connection
	id      uint64
	kind    string
	session string     // names the request in the log, and the session that it may become
	files   []*os.File // what came with the message; closed when the request has been answered
	settles bool       // what it wrote into the record is on the disk before it is answered
	told    time.Time  // when progress was told of last
	asOf    time.Time  // when what it is about began; zero: now
	said    string     // what its caller is to know beside the answer
}

// answer is a reply's body and descriptors, which are closed once they are sent.
type answer struct {
	body  any
	files []*os.File
	after func(context.Context) // what ends once it has been sent, at the latest when the connection does; nil: nothing
}

// messages is the table: whatever is not in it, or not in its row, ends the connection.
func messages() map[string]message {
	return map[string]message{
		client.TypeHostKeys:  {from: door, when: always, read: reading(hostKeys)},
		client.TypeSign:      {from: door, when: always, read: reading(sign)}, // a key re-exchange comes after the assertion
		client.TypeProve:     {from: door, when: after, read: reading(prove)},
		client.TypeIdentify:  {from: door, when: always, read: reading(identify)},
		client.TypeAssert:    {from: door, when: before, read: reading(assert)},
		client.TypeAccount:   {from: account, when: before, read: reading(speakForAccount)},
		client.TypeTouch:     {from: door, when: after, read: reading(touch)},
		client.TypeUntouched: {from: door, when: always, read: reading(untouched)},
		client.TypeOpen:      {from: door | account, when: after, long: true, read: reading(open)},
		client.TypeVerb:      {from: door | account, when: after, long: true, read: reading(verb)},
		client.TypeStruck:    {from: door | account, when: after, long: true, read: reading(struck)},
		client.TypeEnded:     {from: door, when: always, read: reading(ended)},
		client.TypeUntaped:   {from: door, when: always, read: reading(untaped)},
		client.TypeFiles:     {from: door, when: always, read: reading(filesDone)}, // of sessions of an earlier warden, too
		client.TypeStrangers: {from: door, when: always, read: reading(strangers)},
		client.TypeDenied:    {from: outlet, when: before, long: true, read: reading(denied)},
		client.TypeGiveUp:    {from: door | account | operator, when: always, read: reading(giveUp)},

		client.TypeOperatorVerb: {from: operator, when: before, long: true, read: reading(operatorVerb)},
		client.TypeStatus:       {from: operator, when: before, long: true, read: reading(status)},
		client.TypeDown:         {from: operator, when: before, long: true, read: reading(down)},
		client.TypeRepoCreate:   {from: operator, when: before, long: true, files: 1, read: reading(repoCreate)},
		client.TypeRepoRemove:   {from: operator, when: before, long: true, read: reading(repoRemove)},
		client.TypeRepoRun:      {from: operator, when: before, long: true, read: reading(repoRun)},
		client.TypeRootfsImport: {from: operator, when: before, long: true, files: 1, read: reading(rootfsImport)},
		client.TypeKeyEnroll:    {from: operator, when: before, long: true, read: reading(keyEnroll)},
		client.TypeKeyList:      {from: operator, when: before, long: true, read: reading(keyList)},
		client.TypeKeyRemove:    {from: operator, when: before, long: true, read: reading(keyRemove)},
		client.TypeReading:      {from: operator, when: before, long: true, read: reading(readsFiles)},
		client.TypeLogin:        {from: operator, when: before, long: true, read: reading(hostLogin)},
		client.TypeRootfsList:   {from: operator, when: before, long: true, read: reading(rootfsList)},
		client.TypeSecretSet:    {from: operator, when: before, long: true, read: reading(secretSet)},
		client.TypeSecretList:   {from: operator, when: before, long: true, read: reading(secretList)},
		client.TypeSecretRemove: {from: operator, when: before, long: true, read: reading(secretRemove)},
		client.TypeKeep:         {from: operator, when: before, long: true, read: reading(keep)},
		client.TypeKept:         {from: operator, when: before, long: true, read: reading(keptList)},
		client.TypeDrop:         {from: operator, when: before, long: true, read: reading(drop)},
		client.TypeRestore:      {from: operator, when: before, long: true, files: 1, read: reading(restore)},
	}
}

// reading makes a row's read from a function that takes the decoded body.
func reading[Q any](do func(context.Context, *request, Q) (answer, error)) func(wire.Message) (call, error) {
	return func(m wire.Message) (call, error) {
		var q Q
		if err := m.Decode(&q); err != nil {
			return nil, err
		}
		return func(ctx context.Context, r *request) (answer, error) { return do(ctx, r, q) }, nil
	}
}
