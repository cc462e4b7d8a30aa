package warden

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/agext/levenshtein"

	"forkgate/fork"
	"forkgate/gate"
	"forkgate/gate/warden/client"
)

// page is what a control word prints: data with --json, else text.
type page struct {
	data any
	text func(io.Writer)
}

// word is a control word under way.
type word struct {
	*request
	gate.Verb
	ask    gate.Ask     // without a ref
	asking gate.Request // without a target; its op is the word's
	args   []string
	flags  map[string]bool // of gate.Verb.Flags, those that are set
}

// words says what each of gate.Verbs does. What it needs permission for is a column of that table.
func words() map[string]func(context.Context, *word) (page, error) {
	return map[string]func(context.Context, *word) (page, error){
		"help":      help,
		"whoami":    whoami,
		"repos":     repos,
		"forks":     listForks,
		"fork":      makeFork,
		"show":      show,
		"rm":        remove,
		"extend":    extend,
		"freeze":    freeze,
		"thaw":      thaw,
		"tag":       tag,
		"settle":    settle,
		"scan":      scan,
		"diff":      diff,
		"info":      info,
		"health":    health,
		"sessions":  listSessions,
		"kill":      killOne,
		"grants":    listGrants,
		"approve":   approve,
		"challenge": printChallenge,
		"revoke":    revoke,
		"explain":   explain,
	}
}

// verb runs a control word for who speaks on a door's connection.
func verb(ctx context.Context, r *request, q client.VerbRequest) (answer, error) {
	return r.speak(ctx, q)
}

// operatorVerb runs a control word for the operator.
func operatorVerb(ctx context.Context, r *request, q client.VerbRequest) (answer, error) {
	return r.speak(ctx, q)
}

// speak finds the control word, has the log written, and puts what it prints into a descriptor.
func (r *request) speak(ctx context.Context, q client.VerbRequest) (answer, error) {
	if err := r.identity.once(); err != nil {
		return answer{}, err
	}
	evidence, err := r.evidence(q.Alone, q.Marks, nil)
	if err != nil {
		return answer{}, err
	}
	release, err := r.turn(ctx, &evidence)
	if err != nil {
		return answer{}, err
	}
	defer release()
	said := texts(q.Words)
	args := slices.DeleteFunc(slices.Clone(said), func(s string) bool { return s == "--json" })
	if len(args) == 0 {
		args = []string{"help"}
	}
	w, err := understand(args)
	if err != nil {
		return answer{}, err
	}
	w.request, w.ask = r, gate.Ask{Session: r.session, Evidence: evidence, Op: w.Op}
	w.ask.Work.Command = []byte(strings.Join(said, " "))
	w.asking = r.gate.Request(w.ask)
	if err := r.log.Verb(r.session, w.asking); err != nil {
		return answer{}, err
	}
	printed, err := r.Warden.words[w.Name](ctx, w)
	if err != nil {
		return answer{}, err
	}
	return printed.answer(q.JSON || slices.Contains(said, "--json"))
}

// typed is what stands before a control word where the caller types it: at the gate by an SSH user name, on the host by the program's.
func (w *word) typed(user string) string {
	if w.role == operator {
		return "forkgate"
	}
	return "ssh " + user + "@host"
}

// understand finds the control word that is the first of words, takes its flags out of what follows it, and counts the rest.
func understand(words []string) (*word, error) {
	switch {
	case asksForHelp(words[0]):
		words = []string{"help"}
	case len(words) > 1 && asksForHelp(words[1]):
		words = []string{"help", words[0]}
	}
	v, ok := gate.FindVerb(words[0])
	if !ok {
		return nil, &gate.Refusal{Reason: fmt.Sprintf("%.40q is no control word", words[0]), Hint: hintFor(words[0])}
	}
	w := &word{Verb: v, flags: map[string]bool{}}
	usage := strings.TrimSpace("ssh gate@host " + v.Name + " " + v.Args)
	for _, said := range words[1:] {
		name, isFlag := strings.CutPrefix(said, "--")
		switch {
		case !isFlag || len(v.Flags) == 0:
			w.args = append(w.args, said)
		case !slices.ContainsFunc(v.Flags, func(f gate.Flag) bool { return f.Name == name }):
			return nil, &gate.Refusal{Reason: fmt.Sprintf("%s has no %.40q", v.Name, said), Hint: usage}
		default:
			w.flags[name] = true
		}
	}
	if n := len(w.args); n < v.Min || n > v.Max {
		return nil, &gate.Refusal{Reason: fmt.Sprintf("%s takes %s, not %d", v.Name, gate.CountWords(v.Min, v.Max), n), Hint: usage}
	}
	return w, nil
}

// asksForHelp reports whether a word is what one types where one does not know that help is a word: no repository is called so.
func asksForHelp(said string) bool { return said == "--help" || said == "-h" }

func hintFor(mistyped string) string {
	if len(mistyped) <= 20 {
		for _, v := range gate.Verbs() {
			if levenshtein.Distance(mistyped, v.Name, nil) <= 2 {
				return fmt.Sprintf("did you mean %s? ssh gate@host help lists them all", v.Name)
			}
		}
	}
	return "ssh gate@host help"
}

// tree is the existing repository or fork that ref names, where policy permits the word.
func (w *word) tree(ctx context.Context, ref string) (fork.Tree, error) {
	target, err := w.target(ctx, ref)
	if err != nil {
		return fork.Tree{}, err
	}
	t, ok := w.trees.Get(target.GUID)
	if !ok { // it went this moment
		return fork.Tree{}, gate.NotFound(gate.Ref{Repo: target.Repo, Tag: target.Tag})
	}
	return t, nil
}

// target finds the existing repository or fork that ref names, and has policy permit the word there.
func (w *word) target(ctx context.Context, ref string) (gate.Target, error) {
	ask := w.ask
	var err error
	if ask.Ref, err = gate.ParseRef(ref); err != nil {
		return gate.Target{}, err
	}
	asking := w.asking
	if asking.Target, err = w.gate.Existing(ctx, ask, asking); err != nil {
		return gate.Target{}, err
	}
	return asking.Target, w.gate.Permitted(ask, asking)
}
