package warden

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"forkgate/fork"
	"forkgate/gate"
	"forkgate/gate/secrets"
	"forkgate/gate/warden/client"
	"forkgate/nsjail"
)

// memory is a shelf.
type memory map[string][]byte

func (m memory) Put(key string, record []byte) error { m[key] = record; return nil }
func (m memory) Delete(key string) error             { delete(m, key); return nil }
func (m memory) All() (map[string][]byte, error)     { return m, nil }

// What the operator gives a repository is in its pod's specification and its sessions, and what he gives forks in theirs: never one for the other, not
// in what is scanned, and the record has the name alone.
func TestSecretsAreGiven(t *testing.T) {
	h := newHost(t)
	book, err := secrets.Open(memory{}, filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	h.Warden.pods.secrets = book
	h.start(t)
	root := dial(t, h.operator)
	for _, q := range []client.SecretSetRequest{
		{Repo: "demo", Name: "PASSWORD", Variable: true, Value: []byte("precious")}, {Repo: "demo", Name: "PASSWORD", Forks: true, Value: []byte("sandbox")},
		{Repo: "demo", Name: "TOKEN", Value: []byte("precious-too")},
	} {
		if err := root.SecretSet(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	refused(t, root.SecretSet(t.Context(), client.SecretSetRequest{Repo: "nowhere", Name: "A", Value: []byte("x")}), "nowhere does not exist, or is not yours to see")
	refused(t, root.SecretRemove(t.Context(), client.SecretRemoveRequest{Repo: "secret", Name: "TOKEN"}), "no such secret")
	if all, err := root.Secrets(t.Context(), "demo"); err != nil || len(all) != 3 || !all[0].Variable || !all[1].Forks {
		t.Errorf("listed are %+v, %v", all, err)
	}
	for _, c := range []struct {
		user, tag string
		files     string
		variable  bool
	}{{"demo", "", "PASSWORD=precious TOKEN=precious-too ", true}, {"demo+x", "x", "PASSWORD=sandbox ", false}} {
		s, err := h.connect(t, c.user, h.alice).Open(t.Context(), client.OpenRequest{Op: "shell"})
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
		tree, _ := h.trees.Find("demo", c.tag)
		spec, err := nsjail.ReadSpec(h.Warden.pods.runDir, tree.GUID)
		files := ""
		for _, f := range spec.Secrets {
			files += f.Name + "=" + string(f.Text) + " "
		}
		if err != nil || files != c.files {
			t.Errorf("%s has files %q, %v; want %q", c.user, files, err, c.files)
		}
		ran := h.pods.ran()
		env := ran[len(ran)-1].Env
		has := slices.ContainsFunc(env, func(v string) bool { return v == "PASSWORD=precious" })
		if has != c.variable || slices.ContainsFunc(env, func(v string) bool { return strings.Contains(v, "precious-too") }) {
			t.Errorf("%s has the environment %q", c.user, env)
		}
		if spec := h.Warden.pods.specification(tree); spec.Secrets != nil {
			t.Errorf("what is scanned would have %v", spec.Secrets)
		}
	}
	for _, line := range h.log.all() {
		if strings.Contains(line, "precious") || strings.Contains(line, "sandbox") {
			t.Errorf("the record has %q", line)
		}
	}
	if !slices.Contains(h.log.all(), `verb operator secret set demo "PASSWORD" --for=forks --variable=false`) {
		t.Errorf("the record has %q", h.log.all())
	}
}

// Where a secret cannot be read, what counts on it does not start.
func TestSecretsThatCannotBeRead(t *testing.T) {
	h := newHost(t)
	shelf := memory{}
	book, err := secrets.Open(shelf, filepath.Join(t.TempDir(), "key"))
	if err == nil {
		demo, _ := h.trees.Find("demo", "")
		err = book.Put(secrets.Secret{Repo: demo.GUID, Name: "A", For: secrets.Production}, []byte("x"))
	}
	if err != nil {
		t.Fatal(err)
	}
	if h.Warden.pods.secrets, err = secrets.Open(shelf, filepath.Join(t.TempDir(), "another")); err != nil {
		t.Fatal(err)
	}
	h.start(t)
	var no *gate.Refusal
	if _, err := h.connect(t, "demo", h.alice).Open(t.Context(), client.OpenRequest{Op: "shell"}); err == nil || errors.As(err, &no) && strings.Contains(no.Reason, "secret") {
		t.Errorf("got %v", err)
	}
	if h.pods.starts() != 0 {
		t.Errorf("%d pods were started", h.pods.starts())
	}
	if repo, who := h.Warden.pods.audience(fork.Tree{Repo: "gone", Tag: "x"}); repo != "" || who != "" {
		t.Errorf("a fork of nothing has the secrets of %q, %q", repo, who)
	}
}
