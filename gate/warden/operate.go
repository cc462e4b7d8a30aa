package warden

import (
	"context"
	"fmt"
	"os"
	"time"

	"forkgate/fork"
	"forkgate/gate"
	"forkgate/gate/warden/client"
	"forkgate/nsjail"
	"forkgate/nsjail/wire"
)

// What the operator alone does: the table's role column guards it, as policy has no word for it.

// record has the log say what the operator is about to do.
func (r *request) record(command string, args ...any) error {
	evidence, err := r.evidence(true, nil, nil)
	if err != nil {
		return err
	}
	ask := gate.Ask{Session: r.session, Evidence: evidence}
	ask.Work.Command = fmt.Appendf(nil, command, args...)
	return r.log.Verb(r.session, r.gate.Request(ask))
}

// status says how the warden is. Asking changes nothing and is not recorded.
func status(ctx context.Context, r *request, _ struct{}) (answer, error) {
	rules := r.rules.has.Load()
	pool, broken := r.trees.Status()
	s := client.StatusReply{
		Pool: pool.Path, PoolSize: pool.Size, PoolFree: pool.Free, Returning: pool.Returning,
		Version: r.version, Since: r.since, Policy: r.policyPlace, PolicySince: rules.since,
		Repositories: len(r.trees.Repos()), Forks: len(r.trees.Forks("")), Pods: []string{}, Names: []string{},
	}
	s.Sessions = len(r.pods.sessions.list())
	s.Recordings, s.RecordingsAtMost = r.pods.recordings.taken(), r.rules.Recordings().Quota
	record := r.log.State()
	if s.RecordLine, s.RecordAnchored = record.Newest, record.SignedAt; record.Broken != nil {
		s.Record = record.Broken.Error()
	}
	if broken != nil {
		s.PoolError = broken.Error()
	}
	if rules.err != nil {
		s.PolicyError = rules.err.Error()
	}
	for _, repo := range r.trees.Repos() {
		s.Names = append(s.Names, repo.Ref())
	}
	running, err := r.pods.Running(ctx)
	if err != nil {
		return answer{}, err
	}
	for _, guid := range running {
		if tree, ok := r.trees.Get(guid); ok {
			s.Pods = append(s.Pods, tree.Ref())
		}
	}
	return answer{body: s}, nil
}

// readsFiles records what the operator reads without the warden: recordings, and the record itself.
func readsFiles(_ context.Context, r *request, q client.ReadingRequest) (answer, error) {
	return answer{body: struct{}{}}, r.record("%s", q.Command)
}

// repoCreate makes a repository of the directory or tar file that came along, or an empty one.
func repoCreate(ctx context.Context, r *request, q client.RepoCreateRequest) (answer, error) {
	if err := checkRepoName(q.Name); err != nil {
		return answer{}, err
	}
	source, err := r.source(q.KeepOwners)
	if err != nil {
		return answer{}, err
	}
	if err := r.record("repo create %s --from=%q --keep-owners=%t", q.Name, q.Source, q.KeepOwners); err != nil {
		return answer{}, err
	}
	if _, err := r.trees.CreateRepo(ctx, q.Name, source, r.progress); err != nil {
		return answer{}, explained(err)
	}
	return answer{body: struct{}{}}, nil
}

func checkRepoName(name string) error {
	if err := gate.CheckRepoName(name); err != nil {
		return &gate.Refusal{Reason: fmt.Sprintf("%.80q is no name for a repository: %v", name, err), Hint: "choose another name"}
	}
	return nil
}

// source is what came along with the message. A directory is named by its descriptor: the warden need not be able to see
// the operator's files, and nobody can put another in its place.
func (r *request) source(keepOwners bool) (fork.Source, error) {
	if len(r.files) == 0 {
		return fork.Source{}, nil
	}
	info, err := r.files[0].Stat()
	if err != nil {
		return fork.Source{}, fmt.Errorf("cannot look at the source: %w", err)
	}
	if info.IsDir() {
		dir := fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), r.files[0].Fd())
		return fork.Source{Dir: dir, KeepOwners: keepOwners}, nil
	}
	return fork.Source{Tar: r.files[0], KeepOwners: keepOwners}, nil
}

// runHome is whose home the operator's commands in repositories have: nobody's who comes by a door.
const runHome = "operator.run"

// maxRun is how long such a command is at most (MAX_ARG_STRLEN, linux/binfmts.h).
const maxRun = 128 << 10

// repoRun has a command run in a repository, as the user of sessions, or in a fork that is not settled. Root of the host asks no policy, but is in the
// record.
func repoRun(ctx context.Context, r *request, q client.RepoRunRequest) (answer, error) {
	ref, err := gate.ParseRef(q.Name)
	if err != nil {
		return answer{}, err
	}
	t, ok := r.trees.Find(ref.Repo, ref.Tag)
	switch n := len(q.Command); {
	case n == 0 || n > maxRun: // without one a shell would be opened
		return answer{}, fmt.Errorf("%w: %s with a command of %d bytes", wire.ErrMalformed, client.TypeRepoRun, n)
	case !ok:
		return answer{}, gate.NotFound(ref)
	case !t.Grand && t.Unsettled == "":
		return answer{}, &gate.Refusal{Reason: t.Ref() + " is a fork, in which nobody runs anything without having entered it", Hint: "ssh " + t.Repo + "+" + t.Tag + "@host"}
	}
	if err := r.record("repo run %s %q", t.Ref(), q.Command); err != nil {
		return answer{}, err
	}
	session := newSession()
	work, err := r.pods.execution(session, gate.Caller{}, t, gate.Work{Command: q.Command})
	if err != nil {
		return answer{}, err
	}
	work.Home = runHome
	a := answer{body: client.OpenReply{Session: session}}
	var running *nsjail.Session
	if t.Grand {
		running, err = r.pods.enterRunning(ctx, t, work)
	} else {
		running, a.after, err = r.pods.runUnsettled(ctx, t, work)
	}
	if err != nil {
		return answer{}, explained(err)
	}
	if t.Grand {
		running.End.Close()
	}
	a.files = running.Files
	return a, nil
}

// repoRemove removes a repository that has no forks.
func repoRemove(ctx context.Context, r *request, q client.RepoRemoveRequest) (answer, error) {
	if err := r.record("repo remove %q", q.Name); err != nil {
		return answer{}, err
	}
	t, ok := r.trees.Find(q.Name, "")
	if ok && q.Understood == q.Name && len(r.trees.Forks(q.Name)) == 0 {
		r.tellIn(t.GUID, t.Ref()+" is being removed")
	}
	if err := r.trees.RemoveRepo(context.WithoutCancel(ctx), q.Name, q.Understood); err != nil {
		r.takeBack(t.GUID)
		return answer{}, explained(err)
	}
	if r.pods.secrets != nil {
		return answer{body: struct{}{}}, r.pods.secrets.Forget(t.GUID)
	}
	return answer{body: struct{}{}}, nil
}

// rootfsImport makes a rootfs of the tar file that came along.
func rootfsImport(ctx context.Context, r *request, q client.RootfsImportRequest) (answer, error) {
	if len(r.files) != 1 {
		return answer{}, fmt.Errorf("%w: no tar file came along", wire.ErrMalformed)
	}
	if err := r.record("rootfs import %q", q.Source); err != nil {
		return answer{}, err
	}
	digest, err := r.trees.ImportRootfs(ctx, r.files[0], r.progress)
	if err != nil {
		return answer{}, explained(err)
	}
	return answer{body: client.Rootfs{Digest: digest, Current: true}}, nil
}

// rootfsList lists what is in the pool.
func rootfsList(_ context.Context, r *request, _ struct{}) (answer, error) {
	digests, err := r.trees.Rootfs()
	if err != nil {
		return answer{}, err
	}
	reply := client.RootfsListReply{Rootfs: []client.Rootfs{}}
	for _, d := range digests {
		reply.Rootfs = append(reply.Rootfs, client.Rootfs{Digest: d, Current: d == r.trees.CurrentRootfs()})
	}
	return answer{body: reply}, nil
}

// progress tells the operator how far a copy is, about once a second.
func (r *request) progress(done, total int64) {
	now := r.now()
	if done != total && now.Sub(r.told) < time.Second {
		return
	}
	r.told = now
	line := size(done)
	if total > 0 {
		line += " of " + size(total)
	}
	// An operator who has gone is noticed by whoever reads his connection.
	_ = r.send(client.TypeProgress, client.Progress{Line: line})
}

func size(bytes int64) string {
	const mib = 1 << 20
	return fmt.Sprintf("%d MiB", (bytes+mib-1)/mib)
}
