package warden

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"sync"

	"forkgate/gate"
	"forkgate/gate/warden/client"
	"forkgate/nsjail/wire"
)

// maxLately is of how many sessions that are over a door may still tell what they did.
const maxLately = 1024

// transfers are sessions of op sftp as far as doors tell of them. The zero transfers are ready.
type transfers struct {
	mu     sync.Mutex
	lately []live          // that are over: a door hears of the end when the warden does, and tells what came before it
	blind  map[string]bool // of which a door has said that it can tell no more: that is recorded once
}

// over keeps a session for a door's last words.
func (t *transfers) over(l live) {
	if l.Asked.Op != gate.OpSFTP {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lately = append(t.lately, l)
	if len(t.lately) > maxLately {
		delete(t.blind, t.lately[0].ID)
		t.lately = slices.Delete(t.lately, 0, 1)
	}
}

func (t *transfers) find(id string) (live, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at := slices.IndexFunc(t.lately, func(l live) bool { return l.ID == id })
	if at < 0 {
		return live{}, false
	}
	return t.lately[at], true
}

// blinds reports whether it is news that nobody can tell any more what a session does.
func (t *transfers) blinds(id string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.blind == nil {
		t.blind = map[string]bool{}
	}
	news := !t.blind[id]
	t.blind[id] = true
	return news
}

// filesDone records what a session of op sftp did to files. That is the door's word: the bytes never come by here. Whose session it is, and
// where, is the warden's own knowledge, and a door that lies can fill no disk.
func filesDone(_ context.Context, r *request, q client.FilesRequest) (answer, error) {
	if err := checkFiles(q); err != nil {
		return answer{}, fmt.Errorf("%w: files: %v", wire.ErrMalformed, err)
	}
	l, ok := r.pods.sessions.find(q.Session)
	if !ok {
		l, ok = r.transfers.find(q.Session)
	}
	if !ok || l.Asked.Op != gate.OpSFTP || l.Asked.Door != sshDoor {
		return answer{}, &gate.Refusal{Reason: "there is no such session of files", Hint: "tell of one that runs"}
	}
	if q.More > 0 { // first: what is counted is shown by the last of it
		r.log.Files(l.ID, l.Asked, q.More)
	}
	for _, op := range q.Operations {
		if err := r.log.File(l.ID, l.Asked, op); err != nil {
			return answer{}, err
		}
	}
	if q.Blind != "" && r.transfers.blinds(l.ID) {
		if err := r.log.Unfollowed(l.ID, l.Asked, q.Blind); err != nil {
			return answer{}, err
		}
	}
	return answer{body: struct{}{}}, nil
}

// maxFileText bounds what a door says in words.
const maxFileText = 256

func checkFiles(q client.FilesRequest) error {
	if len(q.Operations) > client.MaxFiles || q.More < 0 || q.More > 1<<31 || len(q.Blind) > maxFileText {
		return fmt.Errorf("%d operations, %d more, and a reason of %d bytes", len(q.Operations), q.More, len(q.Blind))
	}
	for _, op := range q.Operations {
		sum, err := hex.DecodeString(op.SHA256)
		switch {
		case !slices.Contains(gate.FileWords(), op.Did):
			return fmt.Errorf("%.20q is nothing that is done to files", op.Did)
		case len(op.Path) > gate.MaxFilePath || len(op.To) > gate.MaxFilePath || len(op.Change) > maxFileText || len(op.Outcome) > maxFileText:
			return fmt.Errorf("%s comes with %d bytes of paths", op.Did, len(op.Path)+len(op.To))
		case err != nil || len(sum) != 0 && len(sum) != 32:
			return fmt.Errorf("%.70q is no SHA-256", op.SHA256)
		}
	}
	return nil
}
