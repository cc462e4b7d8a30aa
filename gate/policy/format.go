package policy

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
)

// Format lays a policy file out as HCL's own formatter does: indentation, and signs of equality below each other. What it means stays the
// same, comments as well. A file that cannot be parsed is left alone: the error is a *LoadError.
func Format(file File) ([]byte, error) {
	l := &loader{files: map[string]*hcl.File{}, policy: &Policy{}}
	l.files[file.Name] = &hcl.File{}
	if unfit := checkText(file); unfit != nil {
		return nil, newLoadError(hcl.Diagnostics{unfit}, l.files)
	}
	l.files[file.Name].Bytes = file.Text
	if tooDeep := checkNesting(file); tooDeep != nil {
		return nil, newLoadError(hcl.Diagnostics{tooDeep}, l.files)
	}
	if _, diags := hclsyntax.ParseConfig(file.Text, file.Name, hcl.InitialPos); diags.HasErrors() {
		return nil, newLoadError(diags, l.files)
	}
	return hclwrite.Format(file.Text), nil
}
