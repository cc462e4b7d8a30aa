package policy

import (
	"regexp"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"forkgate/gate"
)

// Scrub is what is done to the files of a fork before anybody is in it: one of Remove, Empty, Set or Generate, Run, and Leaks.
type Scrub struct {
	Name     string
	Repos    []string // whose forks; none: everybody's
	Files    []string // globs below the data
	Volumes  []string // globs below the volumes of Docker
	Remove   bool
	Empty    bool
	Set      map[string]string
	Generate []string
	Run      []string
	Leaks    string   // refuse, redact, report
	Ignore   []string // kinds of credentials
}

// Scrubs lists what is done to the forks of a repository, in the order in which it is done: by name. What their fields point to is not the
// caller's.
func (p *Policy) Scrubs(repo string) (of []Scrub) {
	for _, s := range p.scrubs {
		if len(s.Repos) == 0 || slices.Contains(s.Repos, repo) {
			of = append(of, s)
		}
	}
	return of
}

func (l *loader) readScrubs() {
	for _, block := range l.of("scrub") {
		name := block.Labels[0]
		if err := gate.CheckName(name); err != nil {
			l.complain(block.LabelRanges[0], "Malformed name", "%q cannot be a scrub rule: %v.", name, err)
		}
		l.policy.scrubs = append(l.policy.scrubs, l.readScrub(block))
	}
	slices.SortFunc(l.policy.scrubs, func(a, b Scrub) int { return strings.Compare(a.Name, b.Name) })
}

func (l *loader) readScrub(block *hcl.Block) Scrub {
	f := l.fields(block)
	s := Scrub{
		Name: block.Labels[0], Files: f.globs("files"), Volumes: f.globs("volumes"), Remove: f.flag("remove"), Empty: f.flag("empty"),
		Set: f.settings("set"), Run: f.texts("run"), Leaks: f.leaks(),
	}
	for _, kind := range f.list("ignore") {
		if err := gate.CheckName(kind.text); err != nil {
			f.complain(kind.at, "Malformed name", "%s is no kind of credential: forkgate scan names them.", quoted(kind.text))
		}
		s.Ignore = append(s.Ignore, kind.text)
	}
	if s.Leaks != "" && len(s.Files)+len(s.Volumes) == 0 {
		s.Files, s.Volumes = []string{"**"}, []string{"**"}
	}
	for _, repo := range f.list("repositories") {
		if err := gate.CheckName(repo.text); err != nil {
			f.complain(repo.at, "Malformed name", "%q cannot be a repository: %v.", repo.text, err)
		}
		s.Repos = append(s.Repos, repo.text)
		at := repo.at.Start
		l.policy.named = append(l.policy.named, NamedRepository{
			Repo: repo.text, Effect: "scrub", Rule: s.Name, File: repo.at.Filename, Line: at.Line, Column: at.Column,
		})
	}
	for _, name := range f.list("generate") {
		s.Generate = append(s.Generate, f.key(name))
	}
	f.checkScrub(s)
	return s
}

// checkScrub wants a rule to do one thing, to something.
func (f *fields) checkScrub(s Scrub) {
	if f.broken {
		return
	}
	does := 0
	for _, it := range []bool{s.Remove, s.Empty, len(s.Set)+len(s.Generate) > 0, len(s.Run) > 0, s.Leaks != ""} {
		if it {
			does++
		}
	}
	where := len(s.Files)+len(s.Volumes) > 0
	switch {
	case does != 1:
		f.complain(f.at, "One thing at a time", "A scrub rule has exactly one of remove = true, empty = true, set or generate, run, and leaks.")
	case len(s.Ignore) > 0 && s.Leaks == "":
		f.complain(f.attrs["ignore"].Expr.Range(), "One thing at a time", "ignore goes with leaks.")
	case len(s.Run) > 0 && where:
		f.complain(f.at, "One thing at a time", "A program is told itself which files it is about: run goes without files and volumes.")
	case len(s.Run) == 0 && !where:
		f.complain(f.at, "Missing attribute", "files or volumes is missing here: which files it is about.")
	case len(s.Run) > 0 && !strings.HasPrefix(s.Run[0], "/"):
		f.complain(f.attrs["run"].Expr.Range(), "Malformed path", "A program of the rootfs is an absolute path: %s is none.", quoted(s.Run[0]))
	}
}

// leaks reads what becomes of credentials that are found; empty: none are looked for.
func (f *fields) leaks() string {
	if !f.has("leaks") {
		return ""
	}
	said := f.text("leaks")
	if words := []string{"refuse", "redact", "report"}; !slices.Contains(words, said.text) {
		f.complain(said.at, "Unknown word", "leaks is \"refuse\", \"redact\" or \"report\", not %s.%s", quoted(said.text), didYouMean(said.text, words))
	}
	return said.text
}

// globs reads patterns of paths below a directory.
func (f *fields) globs(name string) (globs []string) {
	for _, item := range f.list(name) {
		switch parts := strings.Split(item.text, "/"); {
		case !doublestar.ValidatePattern(item.text) || item.text == "":
			f.complain(item.at, "Malformed pattern", "%s is no pattern of paths: * is any name, ** any number of directories, [a-z] one character, {a,b} one of two.", quoted(item.text))
		case parts[0] == "" || slices.ContainsFunc(parts, func(p string) bool { return p == "." || p == ".." }):
			f.complain(item.at, "Malformed pattern", "%s leads out of the fork's files: a pattern is of paths below them, without . and .., and begins with no slash.", quoted(item.text))
		}
		globs = append(globs, item.text)
	}
	return globs
}

// plainValue is what a value may be made of: in no format does it have to be quoted.
var plainValue = regexp.MustCompile(`^[0-9A-Za-z_./:@+=,~-]*$`)

// settings reads { "NAME" = "VALUE" }.
func (f *fields) settings(name string) map[string]string {
	found := map[string]string{}
	for _, line := range f.table(name, `{ "STRIPE_*" = "sk_test_sandbox" }`) {
		key, ok := literalText(line.key)
		if !ok {
			key = hcl.ExprAsKeyword(line.key)
		}
		value, isText := literalText(line.value)
		if _, isTemplate := line.value.(*hclsyntax.TemplateExpr); !isText || !isTemplate || !plainValue.MatchString(value) {
			f.complain(line.value.Range(), "Malformed value", "A value is a quoted text of letters, digits and _./:@+=,~-, which means the same in every format.")
		}
		found[f.key(literal{key, line.key.Range()})] = value
	}
	return found
}

// key checks the name of a value, or the pattern of several.
func (f *fields) key(said literal) string {
	if !doublestar.ValidatePattern(said.text) || said.text == "" || strings.ContainsAny(said.text, "=: \t\n/\\{}") {
		f.complain(said.at, "Malformed name", "%s is no name of a value: NAME, or a pattern such as \"STRIPE_*\".", quoted(said.text))
	}
	return said.text
}
