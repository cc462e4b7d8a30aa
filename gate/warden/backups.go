package warden

import (
	"context"
	"fmt"

	"forkgate/fork"
	"forkgate/gate"
	"forkgate/gate/warden/client"
	"forkgate/nsjail/wire"
)

// What a backup needs of the warden: a snapshot that stands still, and a repository made of what comes back. Reading, encrypting and carrying it
// away is the operator's command's own, so that the warden has no key and no network for it.

// keep sets a repository aside.
func keep(ctx context.Context, r *request, q client.KeepRequest) (answer, error) {
	ref, err := gate.ParseRef(q.Repo)
	if err != nil {
		return answer{}, err
	}
	t, ok := r.trees.Find(ref.Repo, ref.Tag)
	if !ok {
		return answer{}, gate.NotFound(ref)
	}
	if err := r.record("backup %s %q", t.Ref(), q.For); err != nil {
		return answer{}, err
	}
	k, err := r.trees.Keep(ctx, t, q.For)
	if err != nil {
		return answer{}, explained(err)
	}
	return answer{body: r.shownKept(k)}, nil
}

func (r *request) shownKept(k fork.Kept) client.Kept {
	return client.Kept{ID: k.ID, Repo: k.Repo, GUID: k.Of, For: k.For, Made: k.Made, Path: r.trees.KeptPath(k)}
}

// keptList says what is set aside. Asking changes nothing and is not recorded.
func keptList(_ context.Context, r *request, _ struct{}) (answer, error) {
	reply := client.KeptReply{Kept: []client.Kept{}}
	for _, k := range r.trees.Kept() {
		reply.Kept = append(reply.Kept, r.shownKept(k))
	}
	return answer{body: reply}, nil
}

// drop records what has become of a backup. A snapshot of one that is finished stays.
func drop(_ context.Context, r *request, q client.DropRequest) (answer, error) {
	if q.Done != "" {
		return answer{body: struct{}{}}, r.record("backup %s is finished: %s, manifest sha256:%s", q.ID, q.Why, q.Done)
	}
	if err := r.record("backup %s is let go: %s", q.ID, q.Why); err != nil {
		return answer{}, err
	}
	return answer{body: struct{}{}}, r.trees.Drop(q.ID)
}

// restore makes a repository of a backup.
func restore(ctx context.Context, r *request, q client.RestoreRequest) (answer, error) {
	if len(r.files) != 1 {
		return answer{}, fmt.Errorf("%w: no stream came along", wire.ErrMalformed)
	}
	if err := checkRepoName(q.Name); err != nil {
		return answer{}, err
	}
	if err := r.record("restore %q %s --as=%s, manifest sha256:%s", q.Source, q.ID, q.Name, q.Digest); err != nil {
		return answer{}, err
	}
	source := fork.Source{Stream: r.files[0], Kept: q.ID}
	if _, err := r.trees.CreateRepo(ctx, q.Name, source, r.progress); err != nil {
		return answer{}, explained(err)
	}
	return answer{body: struct{}{}}, nil
}
