package warden

import (
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"forkgate/gate"
	"forkgate/gate/grants"
)

// visits remembers, for each repository and fork, that an agent has been in its pod: what a person brings along there afterwards, an
// ssh-agent above all, the agent could use, by what it has left running or lying about. It is on the disk before the agent is in.
type visits struct {
	shelf grants.Shelf

	mu   sync.Mutex
	seen map[string]visit // by GUID; the first one
}

type visit struct {
	Principal string    `json:"principal"`
	Agent     string    `json:"agent,omitempty"`
	At        time.Time `json:"at"`
}

// openVisits reads what there is.
func openVisits(shelf grants.Shelf) (*visits, error) {
	records, err := shelf.All()
	if err != nil {
		return nil, err
	}
	v := &visits{shelf: shelf, seen: map[string]visit{}}
	for guid, record := range records {
		var one visit
		// One that cannot be read still says that somebody was there.
		_ = json.Unmarshal(record, &one)
		v.seen[guid] = one
	}
	return v, nil
}

// note records that who enters a pod, if that is an agent and the first.
func (v *visits) note(guid string, who gate.Caller) error {
	if v == nil || who.Kind == gate.Human || v.entered(guid) {
		return nil
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	one := visit{Principal: who.Principal, Agent: who.Agent, At: time.Now().UTC()}
	record, err := json.Marshal(one)
	if err == nil {
		err = v.shelf.Put(guid, record)
	}
	if err != nil {
		return fmt.Errorf("cannot record that an agent enters %s: %w", guid, err)
	}
	v.seen[guid] = one
	return nil
}

// entered reports whether an agent has been there. Nobody knows without a record, which counts as yes.
func (v *visits) entered(guid string) bool {
	if v == nil {
		return true
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	_, ok := v.seen[guid]
	return ok
}

// forget is for what has been removed: its GUID never comes back.
func (v *visits) forget(guid string) error {
	if v == nil || !v.entered(guid) {
		return nil
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.seen, guid)
	return v.shelf.Delete(guid)
}
