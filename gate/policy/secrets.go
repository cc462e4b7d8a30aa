package policy

import (
	"bytes"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// Diagnostics quote what is wrong, and end up in journals, terminals and tickets. What somebody pasted there by mistake and is secret must not.

// inPlace stands for a line with a secret, and unshown for a text with one.
const (
	inPlace = "(a secret key stands here)"
	unshown = "(a secret key)"
	exposed = "A secret key stands here: whoever reads this file has it. It is exposed now and has to be replaced; policy is written with public keys alone."
)

var (
	// An identity of age; how the body of OpenSSH's own format begins, "openssh-key" in base64; and a whole key of PEM (RFC 7468) on one line, as
	// a quoted text has it. A header alone is none: a redaction may speak of it.
	secret = regexp.MustCompile(`(?i:AGE-SECRET-KEY-[0-9A-Z-]*1[0-9A-Z])|b3BlbnNzaC1rZXk|-----BEGIN [0-9A-Z ]*PRIVATE KEY-----(?:\\r|\\n|\s)*(?:[0-9A-Za-z+/]{16}|Proc-Type)`)
	header = regexp.MustCompile(`-----BEGIN [0-9A-Z ]*PRIVATE KEY-----["',\s]*$`)
	ending = regexp.MustCompile(`-----END [0-9A-Z ]*PRIVATE KEY`)
	base64 = regexp.MustCompile(`^\s*["']?[0-9A-Za-z+/]{8,}=*["']?,?\s*$`) // a line of a key's body, maybe quoted in a list
	sealed = regexp.MustCompile(`^\s*["']?(?:Proc-Type|DEK-Info): `)       // what stands before the body of one with a passphrase (RFC 1421)
)

func hasSecret(text string) bool { return secret.MatchString(text) }

// padding is what covered leaves behind its words.
var padding = regexp.MustCompile(regexp.QuoteMeta(inPlace) + " +")

// masked is a file without its secrets, and the lines, counted from 1, that had any. Lines keep their length, as places in the file are counted
// in bytes.
func masked(text []byte) (safe []byte, had map[int]bool) {
	had = map[int]bool{}
	lines := bytes.SplitAfter(text, []byte("\n"))
	block, body := false, false // within a key of PEM; within a body without a header
	for i, line := range lines {
		begins := i+1 < len(lines) && header.Match(line) && (base64.Match(lines[i+1]) || sealed.Match(lines[i+1]))
		block = block || begins
		body = secret.Match(line) || body && base64.Match(line)
		ends := ending.Match(line)
		if block || body {
			had[i+1] = true
			lines[i] = covered(line)
		}
		block = block && !ends
	}
	return bytes.Join(lines, nil), had
}

// covered is a line of the same length that says what was there.
func covered(line []byte) []byte {
	content := bytes.TrimRight(line, "\r\n")
	safe := bytes.Repeat([]byte(" "), len(content))
	copy(safe, inPlace)
	return append(safe, line[len(content):]...)
}

// withoutSecrets takes the secrets out of what complaints show of files, and out of what they say.
func withoutSecrets(diags hcl.Diagnostics, files map[string]*hcl.File) (hcl.Diagnostics, map[string]*hcl.File) {
	files = maps.Clone(files)
	secrets := map[string]map[int]bool{}
	for name, file := range files {
		if safe, had := masked(file.Bytes); len(had) > 0 {
			secrets[name] = had
			files[name] = &hcl.File{Body: file.Body, Bytes: safe, Nav: file.Nav}
			if body, ok := file.Body.(*hclsyntax.Body); !ok || labelled(body) {
				files[name].Nav = nil // it quotes labels
			}
		}
	}
	told := map[string]bool{}
	all := make(hcl.Diagnostics, len(diags))
	for i, d := range diags {
		all[i] = d
		says := hasSecret(d.Summary) || hasSecret(d.Detail)
		if says || touches(d.Subject, secrets) || touches(d.Context, secrets) {
			all[i] = unquoting(d, says)
			told[fileOf(d)] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(secrets)) {
		if !told[name] {
			all = slices.Insert(all, 0, complaint(firstOf(name, secrets[name]), "Secret key", exposed))
		}
	}
	return all, files
}

func fileOf(d *hcl.Diagnostic) string {
	if d.Subject == nil {
		return ""
	}
	return d.Subject.Filename
}

// firstOf is the first line of a file that has a secret.
func firstOf(name string, had map[int]bool) hcl.Range {
	pos := hcl.Pos{Line: slices.Min(slices.Collect(maps.Keys(had))), Column: 1}
	return hcl.Range{Filename: name, Start: pos, End: pos}
}

// noteSecrets notes them in a policy that loads, as in a comment.
func (l *loader) noteSecrets() {
	for _, name := range slices.Sorted(maps.Keys(l.files)) {
		if _, had := masked(l.files[name].Bytes); len(had) > 0 {
			l.remark(firstOf(name, had), "Secret key", exposed)
		}
	}
}

// labelled reports whether a block has a secret for a label.
func labelled(body *hclsyntax.Body) bool {
	return slices.ContainsFunc(body.Blocks, func(b *hclsyntax.Block) bool {
		return slices.ContainsFunc(b.Labels, hasSecret) || labelled(b.Body)
	})
}

// touches reports whether a place has lines with secrets.
func touches(at *hcl.Range, secrets map[string]map[int]bool) bool {
	if at == nil || secrets[at.Filename] == nil {
		return false
	}
	for line := at.Start.Line; line <= at.End.Line; line++ {
		if secrets[at.Filename][line] {
			return true
		}
	}
	return false
}

// unquoting is a complaint about a secret. What it said stays if it quotes nothing.
func unquoting(d *hcl.Diagnostic, says bool) *hcl.Diagnostic {
	safe := *d
	switch {
	case says:
		safe.Summary, safe.Detail = "Secret key", exposed
	case strings.Contains(d.Detail, `"`):
		safe.Detail = exposed
	default:
		safe.Detail += " " + exposed
	}
	return &safe
}
