package warden

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"forkgate/fork"
	"forkgate/gate"
	"forkgate/gate/secrets"
	"forkgate/nsjail"
	"forkgate/systemd"
)

// Units is what the warden asks of systemd.
type Units interface {
	Start(ctx context.Context, unit string) error // returns when the unit is ready
	Kill(ctx context.Context, unit string) error  // returns when nothing of it lives; a unit that does not run is fine
	Stop(ctx context.Context, unit string) error  // the same, after its containers have had their time
	Running(ctx context.Context, pattern string) ([]string, error)
	Limit(ctx context.Context, unit string, l systemd.Limits) error
	Revert(ctx context.Context, unit string) error
	Usage(ctx context.Context, unit string) (systemd.Usage, error)
}

// startTimeout bounds a pod's start; it takes some 50 ms.
const startTimeout = 30 * time.Second

// errEnded says that a tree was removed while somebody was about to enter it.
var errEnded = errors.New("it is being removed")

// pods makes systemd and nsjail gate.Pods.
type pods struct {
	units  Units
	runDir string
	exec   func(ctx context.Context, runDir, guid string, e nsjail.Exec) (*nsjail.Session, error)
	take   func(ctx context.Context, runDir, guid string) error
	hits   func(unit string) systemd.Hits
	trees  Trees
	rules  *rules
	busy   func(guid string) (bool, error)
	visits *visits // of agents; nil: they are not recorded

	secrets *secrets.Book // nil: there are none

	agentEnters func(ctx context.Context, guid string) // is told before an agent is in
	record      func(what string) error                // writes to the audit log what is done to a fork

	sessions   *sessions
	recordings *recordings
	metrics    *metrics
	journal    *slog.Logger
	lives      func(guid, session string) (bool, error)
	living     func(guid string) ([]string, error)                   // sessions
	kill       func(ctx context.Context, guid, session string) error // returns when nothing of it lives

	once    singleflight.Group
	mu      sync.Mutex
	locks   map[string]*podLocks      // by GUID
	limited map[string]systemd.Limits // by GUID: what its unit was limited to last
	last    map[string]time.Time      // by GUID: when somebody was in it last, since this warden started
	crowds  map[string]*crowd         // by owner

	attending map[string]map[attendant]bool // by GUID: who waits
}

func newPods(units Units, rules *rules, runDir string, journal *slog.Logger) *pods {
	return &pods{
		units: units, rules: rules, runDir: runDir, agentEnters: func(context.Context, string) {}, record: func(string) error { return errUnrecorded }, exec: nsjail.Run, take: nsjail.Take, busy: busy, hits: systemd.LimitHits,
		sessions: newSessions(filepath.Join(runDir, "sessions"), journal), journal: journal, lives: sessionLives, living: sessionsLiving, kill: killSession,
		locks: map[string]*podLocks{}, limited: map[string]systemd.Limits{}, last: map[string]time.Time{}, crowds: map[string]*crowd{}, attending: map[string]map[attendant]bool{},
	}
}

// podLocks are a pod's. A pod that does not answer holds up who enters it, and must not hold up its end: hence two. Who takes both takes use first.
type podLocks struct {
	use  sync.RWMutex // nobody enters a pod that is stopped because nobody is in it
	life sync.Mutex   // a start and an end do not overlap
}

// Run has the pod execute the caller's work. A pod that is not there, or went away this moment, is started.
func (p *pods) Run(ctx context.Context, session string, who gate.Caller, where gate.Target, what gate.Work) (*opened, error) {
	tree, ok := p.trees.Get(where.GUID)
	if !ok {
		return nil, fmt.Errorf("cannot enter %s: %w", where.Ref(), errEnded)
	}
	if err := shutTree(tree); err != nil { // nothing is written of who does not get in
		return nil, err
	}
	if err := p.visits.note(tree.GUID, who); err != nil {
		return nil, err
	}
	if who.Kind == gate.Agent {
		p.agentEnters(ctx, tree.GUID)
	}
	l, err := p.sessions.enter(session, who, where, what)
	if err != nil {
		return nil, err
	}
	// Policy has spoken of the fork by its name; from here on it keeps that, as somebody is inside.
	if now, ok := p.trees.Get(where.GUID); !ok || now.Ref() != where.Ref() {
		return nil, renamed(where.Ref())
	}
	tape, terms, untaped := p.recordings.begin(l, what)
	if err := untaped; err != nil {
		p.metrics.failures.Inc()
		p.journal.Error("a session is not recorded", "session", session, "record", what.Record.String(), "error", err)
		if what.Record == gate.Required {
			return nil, err
		}
	}
	over := p.attend(tree.GUID, tree.Ref(), what.Tell)
	running, err := p.runIn(ctx, session, who, tree, what)
	over()
	if err != nil {
		if tape != nil {
			tape.Close()
		}
		p.recordings.never(session)
		return nil, err
	}
	if tape != nil {
		p.recordings.seal(tape) // now that it stays; a door does not have it yet
	}
	p.sessions.runs(session, running.End)
	p.used(tree.GUID)
	return &opened{running, what.Record, tape, terms, untaped, what.Agent}, nil
}

// shutTree says why nobody enters a tree.
func shutTree(t fork.Tree) error {
	switch {
	case !t.Frozen.IsZero():
		return frozen(t)
	case t.Unsettled != "":
		return unsettled(t)
	}
	return nil
}

// enterRunning has a pod execute something, and starts it where it does not run. No room for another process is a refusal.
func (p *pods) enterRunning(ctx context.Context, t fork.Tree, work nsjail.Exec) (*nsjail.Session, error) {
	full := p.whetherFull(t)
	running, err := p.enter(ctx, t.GUID, work)
	for wait := time.Duration(0); errors.Is(err, nsjail.ErrNotRunning) && wait < dying && pause(ctx, wait); wait = 2*wait + time.Millisecond {
		if err := p.wake(ctx, t.GUID); err != nil {
			return nil, err
		}
		running, err = p.enter(ctx, t.GUID, work)
	}
	if err != nil {
		return nil, full(err)
	}
	return running, nil
}

// dying bounds the waits for a pod that has stopped to answer and that systemd still takes for running.
const dying = time.Second

// enter has a pod that runs execute something.
func (p *pods) enter(ctx context.Context, guid string, work nsjail.Exec) (*nsjail.Session, error) {
	use := &p.locksOf(guid).use
	use.RLock()
	defer use.RUnlock()
	return p.exec(ctx, p.runDir, guid, work)
}

// runIn has a pod that runs, or is started again, do a caller's work.
func (p *pods) runIn(ctx context.Context, session string, who gate.Caller, tree fork.Tree, what gate.Work) (*nsjail.Session, error) {
	work, err := p.execution(session, who, tree, what)
	if err != nil {
		return nil, err
	}
	return p.enterRunning(ctx, tree, work)
}

// End ends what runs in a tree that nobody can enter any more.
func (p *pods) End(ctx context.Context, guid string) error {
	defer p.lock(guid)()
	unit, err := systemd.Instance(podUnit, guid)
	if err != nil {
		return err
	}
	if err := p.units.Kill(ctx, unit); err != nil {
		return err
	}
	p.mu.Lock()
	delete(p.last, guid)
	p.mu.Unlock()
	return errors.Join(p.unlimit(ctx, unit, guid), nsjail.Remove(p.runDir, guid), p.visits.forget(guid))
}

// EndUnknown ends pods of trees that do not exist, an earlier warden's, or an earlier registry's, and removes what is written of them: of what was
// made ahead, and is gone from the disk, nothing else is left.
func (p *pods) EndUnknown(ctx context.Context) error {
	running, err := p.Running(ctx)
	written, unread := nsjail.Written(p.runDir)
	err = errors.Join(err, unread)
	for _, guid := range slices.Compact(slices.Sorted(slices.Values(append(running, written...)))) {
		if _, ok := p.trees.Get(guid); !ok {
			err = errors.Join(err, p.End(ctx, guid))
		}
	}
	return err
}

// Running lists the GUIDs of the pods that run.
func (p *pods) Running(ctx context.Context) ([]string, error) {
	units, err := p.units.Running(ctx, strings.Replace(podUnit, "@", "@*", 1))
	if err != nil {
		return nil, fmt.Errorf("cannot list the pods: %w", err)
	}
	var guids []string
	for _, unit := range units {
		if guid, ok := systemd.InstanceOf(podUnit, unit); ok {
			guids = append(guids, guid)
		}
	}
	return guids, nil
}

// podUnit is the template of the units that pods are.
const podUnit = "forkgate-pod@.service"

// lock keeps others from starting or ending the pod until the returned function is called.
func (p *pods) lock(guid string) (unlock func()) {
	life := &p.locksOf(guid).life
	life.Lock()
	return life.Unlock
}

// still keeps everybody from entering, starting or ending a pod until the returned function is called, unless somebody is at that.
func (p *pods) still(guid string) (leave func(), ok bool) {
	locks := p.locksOf(guid)
	if !locks.use.TryLock() {
		return nil, false
	}
	if !locks.life.TryLock() {
		locks.use.Unlock()
		return nil, false
	}
	return func() { locks.life.Unlock(); locks.use.Unlock() }, true
}

func (p *pods) locksOf(guid string) *podLocks {
	p.mu.Lock()
	defer p.mu.Unlock()
	one, ok := p.locks[guid]
	if !ok {
		one = new(podLocks)
		p.locks[guid] = one // stays: a few bytes for each tree there ever was since the start
	}
	return one
}
