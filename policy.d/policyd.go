// Package policyd holds the shipped policy: the baseline and the agents that are known. Installation copies the files to
// /etc/forkgate/policy.d, where they are the operator's; the copy in here serves tests and tools.
package policyd

import (
	"embed"
	"io/fs"
)

//go:embed *.hcl
var files embed.FS

// Files is the shipped policy. It defines no principal.
func Files() fs.FS { return files }
