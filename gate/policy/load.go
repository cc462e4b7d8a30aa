package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"forkgate/gate/provenance"
)

// Load reads, checks and compiles a policy, whole or not at all. Its error is a *LoadError.
func Load(sources ...Source) (*Policy, error) { return LoadAfter(nil, sources...) }

// LoadAfter is Load where policies have been before, in which there were these principals and groups. One of them that is gone is a note for
// whatever names it; any other that looks like a slip of a known name is an error.
func LoadAfter(past []string, sources ...Source) (*Policy, error) {
	l := &loader{files: map[string]*hcl.File{}, policy: &Policy{past: past}, signers: map[string]string{}}
	l.parse(l.read(sources))
	if l.sound() {
		l.readPrincipals()
		l.readAttestors()
		l.readAuthorities()
		l.noteKeyless()
		l.readSecurityKeys()
		l.readAgents()
		l.readPlaces()
		l.readRules()
		l.readRepositories()
		l.readPods()
		l.readConnections()
		l.readRecordings()
		l.readRedactions()
		l.readScrubs()
		l.noteMisspelt()
	}
	if l.sound() {
		l.noteSecrets()
		l.runTests()
	}
	if !l.sound() {
		return nil, newLoadError(l.diags, l.files, l.policy.trials...)
	}
	return l.policy, nil
}

// LoadAgents reads the agents alone, for who has no policy to judge by: an attestor. Its error is a *LoadError.
func LoadAgents(sources ...Source) ([]provenance.Agent, error) {
	l := &loader{files: map[string]*hcl.File{}, policy: &Policy{}}
	l.parse(l.read(sources))
	if l.sound() {
		l.readAgents()
	}
	if !l.sound() {
		return nil, newLoadError(l.diags, l.files)
	}
	return l.policy.Agents(), nil
}

// loader collects complaints while it makes a policy out of files.
type loader struct {
	diags  hcl.Diagnostics
	files  map[string]*hcl.File
	blocks []*hcl.Block
	policy *Policy

	places  map[string]reaches // that egress can name
	keyless []*hcl.Block       // principals without a key
	naming  []NamedRepository  // by the rule that is being read
	signers map[string]string  // key in SSH wire format -> the block whose certificates it signs
}

func (l *loader) sound() bool { return !l.diags.HasErrors() }

// complain adds a complaint about a place in a file.
func (l *loader) complain(at hcl.Range, summary, detail string, args ...any) {
	l.diags = append(l.diags, complaint(at, summary, detail, args...))
}

func complaint(at hcl.Range, summary, detail string, args ...any) *hcl.Diagnostic {
	if at.End.Line-at.Start.Line > 5 { // all of its lines would be shown
		at.End = at.Start
	}
	return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(detail, args...), Subject: &at}
}

// remark adds a note: what keeps no policy from loading, and may not be meant.
func (l *loader) remark(at hcl.Range, summary, detail string, args ...any) {
	l.policy.summary.Notes = append(l.policy.summary.Notes, Problem{
		File: at.Filename, Line: at.Start.Line, Column: at.Start.Column, Summary: summary, Detail: fmt.Sprintf(detail, args...),
	})
}

func (l *loader) read(sources []Source) []File {
	var all []File
	for _, source := range sources {
		files, err := source.Files()
		if err != nil {
			l.diags = append(l.diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "No policy to be had", Detail: err.Error()})
		}
		all = append(all, files...)
	}
	length := 0
	for _, file := range all {
		length += len(file.Text)
	}
	if length > MaxPolicy {
		l.diags = append(l.diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Policy too long", Detail: sentence(errTooLong)})
		return nil
	}
	slices.SortFunc(all, func(a, b File) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// parse turns the files into blocks.
func (l *loader) parse(files []File) {
	for _, file := range files {
		if _, twice := l.files[file.Name]; twice {
			l.diags = append(l.diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "A file is named twice", Detail: file.Name})
			continue
		}
		l.parseFile(file)
	}
	l.policy.summary.Files = len(files)
}

func (l *loader) parseFile(file File) {
	parsed, ok := l.parsed(file)
	if !ok {
		return
	}
	l.files[file.Name] = parsed
	content, diags := parsed.Body.Content(fileSchema())
	l.diags = append(l.diags, l.displaced(diags, "")...)
	l.blocks = append(l.blocks, content.Blocks...)
	l.note(content.Blocks, file.Text)
}

// parsed is a file whose syntax is in order.
func (l *loader) parsed(file File) (parsed *hcl.File, ok bool) {
	l.files[file.Name] = &hcl.File{} // without bytes no source line is shown
	if unfit := checkText(file); unfit != nil {
		l.diags = append(l.diags, unfit)
		return nil, false
	}
	l.files[file.Name].Bytes = file.Text
	if tooDeep := checkNesting(file); tooDeep != nil {
		l.diags = append(l.diags, tooDeep)
		return nil, false
	}
	parsed, diags := hclsyntax.ParseConfig(file.Text, file.Name, hcl.InitialPos)
	l.diags = append(l.diags, explained(diags, file.Text)...)
	return parsed, !diags.HasErrors()
}

// of lists the blocks of a type, complaining of labels that are taken.
func (l *loader) of(types ...string) []*hcl.Block {
	var found []*hcl.Block
	first := map[string]*hcl.Block{}
	for _, block := range l.blocks {
		if !slices.Contains(types, block.Type) {
			continue
		}
		name := block.Labels[0]
		if earlier, taken := first[name]; taken {
			l.complain(block.LabelRanges[0], "Duplicate name", "The name is taken: %s %q at %s.", earlier.Type, name, place(earlier.DefRange))
			continue
		}
		first[name] = block
		found = append(found, block)
	}
	return found
}

func (l *loader) readAgents() {
	owner := map[string]string{} // mark -> agent
	for _, block := range l.of("agent") {
		agent := l.readAgent(block)
		for _, m := range slices.Concat(agent.Env, agent.Mixed) {
			if other, taken := owner[m.String()]; taken {
				l.complain(block.DefRange, "Duplicate mark", "The mark %s is %q's already.", m, other)
			}
			owner[m.String()] = agent.Name
		}
		l.policy.agents = append(l.policy.agents, agent)
	}
	slices.SortFunc(l.policy.agents, func(a, b provenance.Agent) int { return strings.Compare(a.Name, b.Name) })
	l.policy.summary.Agents = len(l.policy.agents)
}

func (l *loader) readAgent(block *hcl.Block) provenance.Agent {
	fields := l.fields(block)
	agent := provenance.Agent{
		Name: block.Labels[0], Env: fields.marks("env"), Mixed: fields.marks("mixed"),
		Comm: fields.texts("comm"), Exe: fields.texts("exe"), Path: fields.texts("path"), Argv: fields.texts("argv"),
	}
	if err := agent.Check(); err != nil && !fields.broken {
		l.complain(block.DefRange, "Useless agent", "Agent %q: %v.", agent.Name, err)
	}
	return agent
}

func place(r hcl.Range) string { return fmt.Sprintf("%s:%d", r.Filename, r.Start.Line) }
