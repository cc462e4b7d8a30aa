package policy

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// LoadError is everything that is wrong with a policy.
type LoadError struct {
	diags hcl.Diagnostics
	files map[string]*hcl.File

	trials []Trial
}

// Problem is one complaint, or a note. Line and Column count from 1; File is empty where no place in a file is to blame.
type Problem struct {
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	Summary string `json:"summary"`
	Detail  string `json:"detail"`
}

func newLoadError(diags hcl.Diagnostics, files map[string]*hcl.File, trials ...Trial) *LoadError {
	slices.SortStableFunc(diags, func(a, b *hcl.Diagnostic) int {
		if a.Subject == nil || b.Subject == nil {
			return cmp.Compare(btoi(a.Subject != nil), btoi(b.Subject != nil))
		}
		return cmp.Or(cmp.Compare(a.Subject.Filename, b.Subject.Filename), cmp.Compare(a.Subject.Start.Byte, b.Subject.Start.Byte))
	})
	diags, files = withoutSecrets(diags, files)
	for i := range trials {
		if hasSecret(trials[i].Answer) {
			trials[i].Answer = unshown
		}
	}
	return &LoadError{diags: diags, files: files, trials: trials}
}

// Error shows every complaint with its file, line and source line.
func (e *LoadError) Error() string {
	var text strings.Builder
	e.Write(&text, 0, false)
	return strings.TrimSpace(text.String())
}

// maxShown is how many complaints are shown: one slip in the syntax can cause a complaint for each line after it.
const maxShown = 50

// Write shows the same, wrapped at a width (0: not at all) and, on a terminal, in colour.
func (e *LoadError) Write(w io.Writer, width uint, color bool) error {
	shown := e.diags[:min(len(e.diags), maxShown)]
	var text bytes.Buffer
	if err := hcl.NewDiagnosticTextWriter(&text, e.files, width, color).WriteDiagnostics(shown); err != nil {
		return err
	}
	if _, err := w.Write(padding.ReplaceAll(text.Bytes(), []byte(inPlace))); err != nil {
		return err
	}
	if more := len(e.diags) - len(shown); more > 0 {
		_, err := fmt.Fprintf(w, "... and %d more\n", more)
		return err
	}
	return nil
}

// Problems lists the complaints by file and line.
func (e *LoadError) Problems() []Problem {
	problems := make([]Problem, len(e.diags))
	for i, d := range e.diags {
		problems[i] = Problem{Summary: d.Summary, Detail: d.Detail}
		if d.Subject != nil {
			problems[i].File, problems[i].Line, problems[i].Column = d.Subject.Filename, d.Subject.Start.Line, d.Subject.Start.Column
		}
	}
	return problems
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
