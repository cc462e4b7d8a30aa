package policy

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclwrite"
)

// Format lays a policy file out as HCL's own formatter does: indentation, and signs of equality below each other. What it means stays the
// same, comments as well. A file that cannot be parsed is left alone: the error is a *LoadError.
func Format(file File) ([]byte, error) {
	l := &loader{files: map[string]*hcl.File{}}
	if _, ok := l.parsed(file); !ok {
		return nil, newLoadError(l.diags, l.files)
	}
	return hclwrite.Format(file.Text), nil
}
