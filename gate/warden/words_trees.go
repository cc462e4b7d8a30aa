package warden

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"forkgate/fork"
	"forkgate/gate"
	"forkgate/nsjail"
)

// treeView is a repository or fork as the control words show it.
type treeView struct {
	Ref        string    `json:"ref"`
	Kind       string    `json:"kind"` // grand, fork
	GUID       string    `json:"guid"`
	Owner      string    `json:"owner,omitempty"`
	Parent     string    `json:"parent,omitempty"` // empty too where the parent is gone, or not the caller's to see
	Made       time.Time `json:"made"`
	Expires    time.Time `json:"expires,omitzero"`    // of a fork that is not kept for ever
	Frozen     time.Time `json:"frozen,omitzero"`     // since when the fork stays as it is
	Unsettled  bool      `json:"unsettled,omitempty"` // nobody enters the fork: see settle
	NetworkID  int       `json:"network_id"`
	WorkingDir string    `json:"working_dir"`
	Forks      *int      `json:"forks,omitempty"` // of a repository: how many the caller may see

	*details // show alone looks
}

// view shows a tree, and says whether policy permits the word on it.
func (w *word) view(t fork.Tree) (treeView, bool) {
	v := treeView{
		Ref: t.Ref(), Kind: "fork", GUID: t.GUID, Owner: t.Owner,
		Made: t.Made.UTC().Truncate(time.Second), Expires: t.Expires.UTC().Truncate(time.Second), NetworkID: t.NetworkID(), WorkingDir: nsjail.Mountpoint(t.GUID),
		Frozen: t.Frozen.UTC().Truncate(time.Second), Unsettled: t.Unsettled != "",
	}
	if parent, ok := w.trees.Get(t.Parent); ok && w.visible(parent) {
		v.Parent = parent.Ref()
	}
	if t.Grand {
		v.Kind, v.Forks = "grand", new(int)
		for _, f := range w.trees.Forks(t.Repo) {
			if w.visible(f) {
				*v.Forks++
			}
		}
	}
	return v, w.visible(t)
}

func (w *word) visible(t fork.Tree) bool {
	asking := w.asking
	asking.Target = forks{w.trees, w.pods.visits}.target(t)
	return w.gate.Visible(asking)
}

func (w *word) views(trees []fork.Tree) []treeView {
	seen := []treeView{} // and not null in JSON
	for _, t := range trees {
		if v, visible := w.view(t); visible {
			seen = append(seen, v)
		}
	}
	return seen
}

// repos lists the repositories that the caller may see.
func repos(_ context.Context, w *word) (page, error) {
	seen := w.views(w.trees.Repos())
	return page{data: seen, text: func(out io.Writer) {
		rows := [][]string{{"REPOSITORY", "FORKS", "MADE"}}
		for _, v := range seen {
			rows = append(rows, []string{v.Ref, strconv.Itoa(*v.Forks), v.Made.Format(time.RFC3339)})
		}
		columns(out, rows...)
	}}, nil
}

// listForks lists the forks that the caller may see, of one repository or of all.
func listForks(_ context.Context, w *word) (page, error) {
	repo := ""
	if len(w.args) > 0 {
		repo = w.args[0]
		parent, ok := w.trees.Find(repo, "")
		if !ok || !w.visible(parent) {
			return page{}, gate.NotFound(gate.Ref{Repo: repo})
		}
	}
	seen := w.views(w.trees.Forks(repo))
	return page{data: seen, text: func(out io.Writer) {
		rows := [][]string{{"FORK", "OWNER", "PARENT", "MADE", "EXPIRES"}}
		for _, v := range seen {
			rows = append(rows, []string{v.Ref, v.Owner, v.Parent, v.Made.Format(time.RFC3339), cmp.Or(v.expires(), v.kept())})
		}
		columns(out, rows...)
	}}, nil
}

// expires says until when a fork is kept; nothing where it is until somebody removes it.
func (v treeView) expires() string {
	if v.Expires.IsZero() {
		return ""
	}
	return v.Expires.Format(time.RFC3339)
}

// kept says why a fork does not expire.
func (v treeView) kept() string {
	if !v.Frozen.IsZero() {
		return "frozen"
	}
	return "never"
}

// makeFork makes a fork, and shows what took how long.
func makeFork(ctx context.Context, w *word) (page, error) {
	from, to, err := forkRefs(w.args)
	if err != nil {
		return page{}, err
	}
	w.ask.Ref = to
	made, steps, err := w.gate.Fork(ctx, w.ask, from)
	if err != nil {
		return page{}, err
	}
	enter := "ssh " + made.Repo + "+" + made.Tag + "@host"
	data := struct {
		Ref   string      `json:"ref"`
		GUID  string      `json:"guid"`
		Enter string      `json:"enter"`
		Steps []gate.Step `json:"steps"`
	}{made.Ref(), made.GUID, enter, steps}
	return page{data: data, text: func(out io.Writer) {
		var total time.Duration
		rows := make([][]string, len(steps))
		for i, s := range steps {
			total += s.Took
			rows[i] = []string{s.Name, milliseconds(s.Took)}
		}
		columns(out, append(rows, []string{"total", milliseconds(total)})...)
		fmt.Fprintf(out, "\n%s is made of %s; enter it with:\n%s\n", made.Ref(), made.Parent, enter)
	}}, nil
}

// forkRefs reads "REPO", "REPO:NEWTAG", "REPO NEWTAG" and "REPO:TAG NEWTAG": what is forked, and what the fork is called.
func forkRefs(args []string) (from, to gate.Ref, err error) {
	if to, err = gate.ParseRef(args[0]); err != nil {
		return from, to, err
	}
	if len(args) == 1 {
		to.Fresh = to.Tag == ""
		return gate.Ref{Repo: to.Repo}, to, nil
	}
	from = to
	to, err = gate.ParseRef(from.Repo + ":" + args[1])
	return from, to, err
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}

// remove removes a fork and all that runs in it.
func remove(ctx context.Context, w *word) (page, error) {
	t, err := w.tree(ctx, w.args[0])
	if err == nil && !t.Frozen.IsZero() {
		err = frozen(t)
	}
	if err != nil {
		return page{}, err
	}
	w.pods.down(ctx, t.GUID)
	w.tellIn(t.GUID, t.Ref()+" is being removed")
	// Begun, it is finished, whether or not the caller stays to see it; but not by a name that it has lost meanwhile, and of which alone policy has spoken.
	if err := w.trees.RemoveNamed(context.WithoutCancel(ctx), t); err != nil {
		w.takeBack(t.GUID)
		return page{}, explained(err)
	}
	data := struct {
		Removed string `json:"removed"`
	}{t.Ref()}
	return page{data: data, text: func(out io.Writer) {
		fmt.Fprintf(out, "%s is removed; its space comes back within half a minute\n", t.Ref())
	}}, nil
}

// extend has the time of a fork begin again.
func extend(ctx context.Context, w *word) (page, error) {
	t, err := w.unused(ctx)
	if err != nil {
		return page{}, err
	}
	tree, err := w.trees.Extend(t.GUID)
	if err != nil {
		return page{}, explained(err)
	}
	v, _ := w.view(tree)
	return page{data: v, text: func(out io.Writer) {
		if until := v.expires(); until != "" {
			fmt.Fprintf(out, "%s is kept until %s\n", v.Ref, until)
			return
		}
		fmt.Fprintf(out, "%s is kept until somebody removes it\n", v.Ref)
	}}, nil
}
