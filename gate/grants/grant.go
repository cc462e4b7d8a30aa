package grants

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"forkgate/gate"
)

// Grant is leave that somebody has given: for one session or, with several uses, for the lineage of the session that waited, which run the same again.
type Grant struct {
	ID        string    `json:"id"`
	GUID      string    `json:"guid"` // of the repository or fork
	Ref       string    `json:"ref"`
	Principal string    `json:"principal"` // who may use it
	Kind      gate.Kind `json:"kind"`
	Agent     string    `json:"agent,omitempty"`
	Lineage   string    `json:"lineage,omitempty"` // empty: nobody but the session that waited
	Op        gate.Op   `json:"op"`                // what the session that waited is
	Command   string    `json:"command,omitempty"` // and runs, as gate.Exact shows it
	Env       []string  `json:"env,omitempty"`     // with these of the client's, NAME=VALUE, likewise
	From      time.Time `json:"from"`
	Until     time.Time `json:"until"`
	Uses      int       `json:"uses"` // sessions that it opens, in all
	Stop      bool      `json:"stop_containers,omitempty"`
	Approver  string    `json:"approver"`
	Proof     string    `json:"proof"` // by what the approver was known, a sentence
	Sessions  []Session `json:"sessions"`

	// Asked and Evidence are what was asked, and what was known of who did, for policy to be asked again when it has changed.
	Asked    gate.Request  `json:"asked,omitzero"`
	Evidence gate.Evidence `json:"evidence,omitzero"`

	// Before is what the pod's Docker daemon had when the grant began, for the warden to compare with.
	Before json.RawMessage `json:"before,omitempty"`
	// Ending is why it is being ended, from when that has begun: nothing opens by it any more.
	Ending string `json:"ending,omitempty"`
}

// Session is one that was opened under a grant.
type Session struct {
	Name string `json:"name"`
	Over bool   `json:"over,omitempty"` // nothing of it lives
}

// maxBack is how far a clock may be set back before a grant, which could then last longer than it was given for, ends.
const maxBack = time.Minute

// Due says why the grant is to be ended by now; empty where it goes on.
func (g Grant) Due(now time.Time) string {
	switch {
	case g.Ending != "":
		return g.Ending
	case !now.Before(g.Until):
		return "it expired"
	case now.Before(g.From.Add(-maxBack)):
		return "the clock was set back to before it was given"
	case len(g.Sessions) >= g.Uses && len(g.Living()) == 0:
		return "it is used up"
	}
	return ""
}

// Living lists the sessions that are not known to be over.
func (g Grant) Living() (names []string) {
	for _, s := range g.Sessions {
		if !s.Over {
			names = append(names, s.Name)
		}
	}
	return names
}

// opens reports whether one more session of these may be opened by the grant.
func (g Grant) opens(w Wish, now time.Time) bool {
	return g.Due(now) == "" && len(g.Sessions) < g.Uses && g.Lineage != "" && g.Lineage == w.Lineage &&
		g.GUID == w.Target.GUID && g.Principal == w.Who.Principal && g.Kind == w.Who.Kind && g.covers(w)
}

// covers reports whether what a session runs is what was approved. A shell runs whatever is typed, so that who approved one has approved all.
func (g Grant) covers(w Wish) bool {
	return g.Op == gate.OpShell || g.Op == w.Op && g.Command == w.Command && slices.Equal(g.Env, w.Env)
}

// check refuses a record that could be no grant: what is missing would read as more than was given.
func (g Grant) check(id string) error {
	switch {
	case g.ID == "" || g.ID != id:
		return fmt.Errorf("it is about %q", g.ID)
	case g.GUID == "" || g.Principal == "" || g.Approver == "":
		return errors.New("it does not say what for, for whom, or by whom")
	case g.Until.IsZero() || g.From.IsZero() || g.Until.Before(g.From):
		return errors.New("it has no time")
	case g.Uses < 1 || len(g.Sessions) == 0 || len(g.Sessions) > g.Uses:
		return fmt.Errorf("it has %d sessions of %d", len(g.Sessions), g.Uses)
	}
	return nil
}
