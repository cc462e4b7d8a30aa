package warden

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"forkgate/fork"
	"forkgate/gate"
	"forkgate/gate/archive"
	"forkgate/gate/audit"
	"forkgate/gate/enrolled"
	"forkgate/gate/grants"
	"forkgate/gate/secrets"
	"forkgate/nsjail/wire"
	"forkgate/systemd"
)

// Config says where a warden has its things, and who its peers are.
type Config struct {
	Pool   string // mount point
	State  string // registry, host keys and audit log
	RunDir string // pods; and sockets, where systemd passed none

	// Policy loads the policy; PolicyPlace is where from, for messages. A Reload has it loaded again, and so have files that Changed.
	Policy      func() (Policy, error)
	PolicyPlace string
	Reload      <-chan os.Signal
	Changed     <-chan struct{}

	Door     *os.File // listening socket that systemd passed; nil: one is made
	Operator *os.File // the same
	DoorUID  uint32   // who speaks SSH at Door; others there speak for their own account
	Egress   uint32   // who tells there of what pods may not reach; 0: nobody

	Version string
	Journal *slog.Logger
}

// Run opens everything, brings the registry, the disk and the units together, and then answers peers until ctx ends. Its
// errors say in one line what to do.
func Run(ctx context.Context, c Config) (err error) {
	if c.DoorUID == 0 {
		return errors.New("cannot run with doors of root: they need a user of their own, see --gate-user")
	}
	keys, err := LoadHostKeys(filepath.Join(c.State, "hostkeys"))
	if err != nil {
		return err
	}
	next, retired, certificates := otherKeys(filepath.Join(c.State, "hostkeys"), keys, c.Journal)
	units, err := systemd.Connect()
	if err != nil {
		return err
	}
	defer units.Close()
	rules := newRules(c.Policy, time.Now)
	pods := newPods(units, rules, c.RunDir, c.Journal)
	// The registry's lock is what keeps a second warden out: nothing before this disturbs a first one.
	store, err := fork.Open(fork.Options{
		Pool: c.Pool, Registry: filepath.Join(c.State, "registry.db"), End: pods.End, Prepare: pods.Prepare, Log: c.Journal,
		Share:   rules.share,
		Settled: pods.settledFromBirth,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	pods.trees = store
	place := audit.In(c.State)
	place.Append, place.Syslog = true, true
	log, err := audit.Open(place, c.Journal)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	securityKeys, err := enrolled.Open(filepath.Join(c.State, filepath.Base(enrolled.Dir)), c.Journal)
	if err != nil {
		return err
	}
	if pods.recordings, err = openRecordings(archive.Dir(c.State), rules); err != nil {
		return err
	}
	// A door could take O_APPEND off its descriptor, but not this off the file; where the filesystem has no such attribute that stays so.
	pods.recordings.seal = func(f *os.File) { _ = audit.AppendOnly(f) }
	if err := errors.Join(pods.openVisits(store), pods.openSecrets(store, filepath.Join(c.State, "secrets.key"))); err != nil {
		return err
	}
	reconcile(ctx, store, pods, c.Journal)
	if err := pods.secrets.Prune(func(repo string) bool { _, there := store.Get(repo); return there }); err != nil {
		return err
	}
	w := newWarden(keys, rules, log, store, pods, securityKeys, c.Journal)
	w.version, w.policyPlace, w.nextKeys, w.retiredKeys, w.certificates = c.Version, c.PolicyPlace, next, retired, certificates
	if w.host, err = os.Hostname(); err != nil {
		return fmt.Errorf("cannot say which host this is: %w", err)
	}
	if err := w.openGrants(store); err != nil {
		return err
	}
	if err := w.settleSessions(ctx); err != nil {
		return err
	}
	defer pods.sessions.leave()
	w.granter.settle(ctx)
	if err := w.reload("the warden started"); err != nil {
		return err
	}
	w.reconsider(ctx) // the policy may have changed while nobody was there to see
	return w.run(ctx, c, store.KeepSpares, func(ctx context.Context) { store.KeepReserve(ctx, w.ending) }, w.granter.keep, w.keepSessions, log.Keep)
}

// openVisits reads where agents have been, which lies in the registry as well.
func (p *pods) openVisits(store *fork.Store) error {
	shelf, err := store.Shelf("visits")
	if err == nil {
		p.visits, err = openVisits(shelf)
	}
	return err
}

// openSecrets reads what repositories are given, which lies there too, and cannot be read without a key that lies elsewhere.
func (p *pods) openSecrets(store *fork.Store, key string) error {
	shelf, err := store.Shelf("secrets")
	if err == nil {
		p.secrets, err = secrets.Open(shelf, key)
	}
	return err
}

// openGrants reads the book of grants, which lies in the registry.
func (w *Warden) openGrants(store *fork.Store) error {
	shelf, err := store.Shelf("grants")
	if err != nil {
		return err
	}
	book, err := grants.Open(shelf, w.now)
	if err != nil {
		return err
	}
	w.granter = newGranter(book, w)
	w.grantBy(w.granter)
	return nil
}

// grantBy has sessions wait for approval.
func (w *Warden) grantBy(g gate.Grants) {
	for _, one := range w.gates {
		one.Grants = g
	}
}

// reconcile brings registry, disk and units together after whatever ended the last warden. What cannot be put right stays shut, and
// is the operator's to look at: it is no reason to shut everything else.
func reconcile(ctx context.Context, store *fork.Store, pods *pods, journal *slog.Logger) {
	report, err := store.Reconcile(ctx)
	for _, t := range report.Undone {
		journal.Warn("undid what was half-made", "ref", t.Ref(), "guid", t.GUID)
	}
	for _, t := range report.Finished {
		journal.Warn("finished removing", "ref", t.Ref(), "guid", t.GUID)
	}
	for _, t := range report.Missing {
		journal.Error("recorded, but gone from the pool: remove it or restore the pool", "ref", t.Ref(), "guid", t.GUID)
	}
	for _, path := range report.Orphans {
		journal.Error("in the pool, but not recorded: nobody can reach it, and nothing removes it", "path", path)
	}
	if err := errors.Join(err, pods.EndUnknown(ctx)); err != nil {
		journal.Error("cannot bring everything together after the last warden", "error", err)
	}
}

// reload takes the policy as its files are now, and records what came of it. A policy that does not load is no error of the
// warden's: the last good one stays, or the doors stay shut.
func (w *Warden) reload(why string) error {
	err := w.rules.reload()
	outcome := w.outcome()
	if err != nil {
		w.journal.Error(outcome, "error", err)
	}
	w.warnOfUnknown()
	if unknown := w.rules.has.Load().unknown; unknown != nil {
		w.journal.Warn("policy names accounts that this host does not have; reload once it has them", "error", unknown)
	}
	return w.log.Service(why + ": " + outcome)
}

// outcome says in one line what came of the last reload.
func (w *Warden) outcome() string {
	switch now := w.rules.has.Load(); {
	case now.err != nil && now.policy == nil:
		return "policy in " + w.policyPlace + " does not load, the doors stay shut"
	case now.err != nil:
		return "policy in " + w.policyPlace + " does not load, the last good one stays"
	case now.changes != "":
		return "policy loaded from " + w.policyPlace + ": " + now.changes
	}
	return "policy loaded from " + w.policyPlace
}

// warnOfUnknown tells of blocks that are of no repository, and of rules that name none. That is no error of the policy's: one may write it
// before making the repository, and it has to load after one is removed.
func (w *Warden) warnOfUnknown() {
	for _, name := range w.rules.repositories() {
		if _, ok := w.trees.Find(name, ""); !ok {
			w.journal.Warn("the policy has a block for a repository that there is none of: mend the name, or make it with: forkgate repo create "+name, "repository", name)
		}
	}
	var exist []string
	for _, tree := range w.trees.Repos() {
		exist = append(exist, tree.Repo)
	}
	missing := w.rules.missing(exist)
	for i, one := range missing {
		if i == maxWarned {
			w.journal.Warn("rules name more repositories that do not exist: forkgate policy check lists them", "more", len(missing)-i)
			break
		}
		w.journal.Warn(one.Detail, "at", fmt.Sprintf("%s:%d", one.File, one.Line))
	}
}

// maxWarned is how many rules the journal hears of at each load.
const maxWarned = 20

// run serves both sockets, does what goes on beside that, and heeds reloads, until stopping ends. It waits for all of it.
func (w *Warden) run(stopping context.Context, c Config, beside ...func(context.Context)) error {
	doors, operators, err := sockets(c)
	if err != nil {
		return err
	}
	// Who is served goes first, and what goes on beside that afterwards.
	var peers, all sync.WaitGroup
	defer all.Wait()
	ctx, stop := context.WithCancel(context.WithoutCancel(stopping))
	defer stop()
	defer peers.Wait()
	open, shut := context.WithCancel(stopping)
	defer shut()
	peers.Go(func() { w.serve(open, doors, DoorSocket(c.DoorUID, c.Egress)) })
	peers.Go(func() { w.serve(open, operators, OperatorSocket()) })
	for _, do := range beside {
		all.Go(func() { do(ctx) })
	}
	all.Go(func() { w.pods.tend(ctx, w.journal) })
	all.Go(func() { w.collect(ctx) })
	all.Go(func() {
		if err := w.metrics.serve(ctx, filepath.Join(c.RunDir, "operator")); err != nil {
			w.journal.Error("nobody can read metrics", "error", err)
		}
	})
	startAll := func() { all.Go(func() { w.pods.startAll(ctx, w.rules.autostart(), w.journal) }) }
	startAll()
	if err := systemd.Ready(); err != nil {
		return err
	}
	for {
		why := "asked to reload"
		select {
		case <-stopping.Done():
			return nil
		case <-c.Changed:
			why = "files of the policy changed"
		case <-c.Reload:
		}
		if err := w.reload(why); err != nil {
			w.journal.Error("a reload is not in the audit log", "error", err)
		}
		w.reconsider(ctx)
		startAll()
	}
}

// sockets takes over the sockets that systemd passed, or makes them. What a warden that died has left at their paths is in the
// way and belongs to nobody: this one has the registry's lock.
func sockets(c Config) (doors, operators *wire.Listener, err error) {
	if c.Door != nil && c.Operator != nil {
		if doors, err = wire.NewListener(c.Door); err == nil {
			operators, err = wire.NewListener(c.Operator)
		}
		return doors, operators, err
	}
	private := filepath.Join(c.RunDir, "operator")
	for _, dir := range []struct {
		path string
		mode os.FileMode
	}{{c.RunDir, 0o755}, {private, 0o700}} {
		if err := os.MkdirAll(dir.path, dir.mode); err != nil {
			return nil, nil, fmt.Errorf("cannot make a place for sockets: %w", err)
		}
	}
	if operators, err = listen(filepath.Join(private, "warden.sock"), 0o600); err != nil {
		return nil, nil, err
	}
	path := filepath.Join(c.RunDir, "warden.sock")
	if doors, err = listen(path, 0o600); err != nil {
		return nil, nil, err
	}
	// Anybody may connect: the warden goes by the peer's uid, which the kernel vouches for.
	if err := os.Chmod(path, 0o666); err != nil {
		return nil, nil, fmt.Errorf("cannot let doors in: %w", err)
	}
	return doors, operators, nil
}

func listen(path string, mode os.FileMode) (*wire.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("cannot listen: %w", err)
	}
	return wire.Listen(path, mode)
}
