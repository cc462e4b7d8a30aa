package main

import (
	"os"
	"path/filepath"
	"strings"

	"forkgate/gate/policy"
)

// writePolicyPage makes DIR/man5/forkgate-policy.5.
func writePolicyPage(dir string) error {
	if err := os.MkdirAll(filepath.Join(dir, "man5"), 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "man5", "forkgate-policy.5"), []byte(policyPage(policy.NewReference())), 0o644)
}

// policyPage is forkgate-policy(5), in man(7)'s macros.
func policyPage(all policy.Reference) string {
	var text strings.Builder
	text.WriteString(".TH FORKGATE-POLICY 5 \"\" forkgate forkgate\n.SH NAME\nforkgate-policy \\- who may do what at a forkgate\n.SH DESCRIPTION\n" +
		"Files *.hcl in /etc/forkgate and /etc/forkgate/policy.d, read together, in HCL. What no permit matches is refused, and a forbid beats every permit.\n" +
		"The order of files and of rules never matters.\n.PP\nforkgate policy check says what is wrong with them; what loads is in force at once.\n.SH REFERENCE\n.nf\n")
	for line := range strings.Lines(all.String()) {
		line = strings.ReplaceAll(strings.ReplaceAll(line, `\`, `\e`), "-", `\-`)
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			line = `\&` + line
		}
		text.WriteString(line)
	}
	text.WriteString(".fi\n.SH SEE ALSO\n.BR forkgate (1),\n.BR forkgate\\-policy\\-schema (1)\n")
	return text.String()
}
