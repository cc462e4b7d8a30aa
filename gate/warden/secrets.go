package warden

import (
	"context"
	"errors"
	"strings"

	"forkgate/fork"
	"forkgate/gate"
	"forkgate/gate/secrets"
	"forkgate/gate/warden/client"
	"forkgate/nsjail"
)

// audience says whose secrets a tree has: those of its repository, of which a fork has the forks' values and never the others.
func (p *pods) audience(t fork.Tree) (repo string, who secrets.Audience) {
	if t.Grand {
		return t.GUID, secrets.Production
	}
	if of, ok := p.trees.Find(t.Repo, ""); ok {
		return of.GUID, secrets.Forks
	}
	return "", ""
}

// secretFiles are what a tree's pod is given as files. Where they cannot be read the pod does not start: what runs in it counts on them.
func (p *pods) secretFiles(t fork.Tree) (files []nsjail.Secret, err error) {
	if p.secrets == nil {
		return nil, nil
	}
	values, err := p.secrets.For(p.audience(t))
	for _, v := range values {
		files = append(files, nsjail.Secret{Name: v.Name, Text: v.Text})
	}
	return files, err
}

// secretVariables are what sessions have in their environment.
func (p *pods) secretVariables(t fork.Tree) (env []string, err error) {
	if p.secrets == nil {
		return nil, nil
	}
	values, err := p.secrets.Variables(p.audience(t))
	for _, v := range values {
		env = append(env, v.Name+"="+string(v.Text))
	}
	return env, err
}

// secretFor finds the repository that a message about a secret is of, and says whose value it speaks of.
func (r *request) secretFor(name string, forks bool) (t fork.Tree, who secrets.Audience, err error) {
	t, ok := r.trees.Find(name, "")
	switch {
	case r.pods.secrets == nil:
		return t, "", errors.New("this warden keeps no secrets")
	case !ok && strings.Contains(name, ":"):
		return t, "", &gate.Refusal{Reason: "secrets are given to a repository, and to all of its forks with --forks", Hint: "name the repository alone"}
	case !ok:
		return t, "", gate.NotFound(gate.Ref{Repo: name})
	case forks:
		return t, secrets.Forks, nil
	}
	return t, secrets.Production, nil
}

// secretSet gives a repository, or its forks, a value. The record has its name.
func secretSet(_ context.Context, r *request, q client.SecretSetRequest) (answer, error) {
	t, who, err := r.secretFor(q.Repo, q.Forks)
	if err != nil {
		return answer{}, err
	}
	if err := r.record("secret set %s %q --for=%s --variable=%t", q.Repo, q.Name, who, q.Variable); err != nil {
		return answer{}, err
	}
	err = r.pods.secrets.Put(secrets.Secret{Repo: t.GUID, Name: q.Name, For: who, Variable: q.Variable, Set: r.now().UTC()}, q.Value)
	return answer{body: struct{}{}}, secretRefused(err)
}

// secretRemove takes a value back.
func secretRemove(_ context.Context, r *request, q client.SecretRemoveRequest) (answer, error) {
	t, who, err := r.secretFor(q.Repo, q.Forks)
	if err != nil {
		return answer{}, err
	}
	if err := r.record("secret remove %s %q --for=%s", q.Repo, q.Name, who); err != nil {
		return answer{}, err
	}
	return answer{body: struct{}{}}, secretRefused(r.pods.secrets.Remove(t.GUID, q.Name, who))
}

// secretList says what a repository is given, and no value: there is no message that does. Asking changes nothing and is not recorded.
func secretList(_ context.Context, r *request, q client.SecretListRequest) (answer, error) {
	t, _, err := r.secretFor(q.Repo, false)
	if err != nil {
		return answer{}, err
	}
	reply := client.SecretListReply{Secrets: []client.Secret{}}
	for _, s := range r.pods.secrets.List(t.GUID) {
		reply.Secrets = append(reply.Secrets, client.Secret{Name: s.Name, Forks: s.For == secrets.Forks, Variable: s.Variable, Set: s.Set})
	}
	return answer{body: reply}, nil
}

func secretRefused(err error) error {
	for _, is := range []error{secrets.ErrName, secrets.ErrValue, secrets.ErrNone, secrets.ErrMany} {
		if errors.Is(err, is) {
			return &gate.Refusal{Reason: err.Error(), Hint: "forkgate secret list REPO"}
		}
	}
	return err
}
