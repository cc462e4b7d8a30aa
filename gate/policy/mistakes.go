package policy

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// What people who come from other languages write, and what is said of it instead of the parser's own words.

var (
	texts      = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)
	noEquals   = regexp.MustCompile(`^\s*([a-z_]+)\s*:?\s+("|\[|[0-9]|true\b|false\b)`)
	assignment = regexp.MustCompile(`^\s*([a-z_]+)\s*=(?:[^=]|$)`)
	oneEquals  = regexp.MustCompile(`[^=!<>]=(?:[^=>]|$)`)
	english    = regexp.MustCompile(`(?i)\b(and|or|not)\b`)
	sideBySide = regexp.MustCompile(`\[[^\]]*""\s+""`)
	isIn       = regexp.MustCompile(`\bin\s*\[`)
	dangling   = regexp.MustCompile(`(\|\||&&)\s*$`)
)

// elsewhere are words of other languages and products, with ours.
var elsewhere = map[string]string{
	"allow": "permit", "deny": "forbid", "block": "forbid", "refuse": "forbid", "user": "principal", "role": "principal", "group": "principal", "repo": "repository",
	"if": "when", "condition": "when", "message": "reason", "evidence": "caller.class", "user.name": "caller.principal", "source.address": "source.ip",
	"scp": "exec", "rsync": "exec", "git": "exec", "run": "exec", "command": "exec", "ssh": "shell", "login": "shell", "connect": "shell",
	"rm": "remove", "delete": "remove", "snapshot": "fork", "clone": "fork", "read": "sftp", "write": "sftp", "-L": "forward-local", "-R": "forward-remote",
}

// signs are the operators that these words stand for elsewhere.
var signs = map[string]string{"and": "&&", "or": "||", "not": "!"}

// explained says of the parser's complaints what to write instead, where the line shows what was meant.
func explained(diags hcl.Diagnostics, text []byte) hcl.Diagnostics {
	lines := strings.Split(string(text), "\n")
	for _, d := range diags {
		if d.Subject == nil || d.Subject.Start.Line > len(lines) {
			continue
		}
		if said := meant(d, lines[d.Subject.Start.Line-1], text); said != "" {
			d.Detail = said
		}
	}
	return diags
}

// meant is what to write instead; empty where nobody can tell.
func meant(d *hcl.Diagnostic, line string, text []byte) string {
	bare := texts.ReplaceAllString(line, `""`)
	if d.Summary == "Invalid escape sequence" {
		if at := d.Subject; at.Start.Byte < at.End.Byte && at.End.Byte <= len(text) {
			sequence := strings.TrimPrefix(string(text[at.Start.Byte:at.End.Byte]), `\`)
			return fmt.Sprintf(`In a quoted text a backslash is written twice: \\%s.`, sequence)
		}
		return `In a quoted text a backslash is written twice: \\.`
	}
	if word := noEquals.FindStringSubmatch(bare); word != nil && isField(word[1]) {
		return fmt.Sprintf("An attribute is written with =: %s = ...", word[1])
	}
	// Within parentheses a line is no assignment, though op is the name of an attribute, too.
	if to := assignment.FindStringSubmatch(bare); to != nil && isField(to[1]) && (d.Summary != "Unbalanced parentheses" || to[1] == "when") {
		_, bare, _ = strings.Cut(bare, "=")
	}
	if i := strings.LastIndexByte(bare, '{'); i >= 0 { // a block on one line
		bare = assignment.ReplaceAllString(bare[i+1:], "")
	}
	switch {
	case strings.Contains(bare, "'"):
		return `Texts stand in double quotes: "...".`
	case sideBySide.MatchString(bare):
		return "Between the items of a list stands a comma."
	case isIn.MatchString(bare):
		return `There is no operator in: contains(["shell", "exec"], op).`
	case dangling.MatchString(bare):
		return "A condition that goes on in the next line stands in parentheses: ( ... )."
	}
	if oneEquals.MatchString(" " + bare) {
		return "Conditions compare with ==: one = gives an attribute its value."
	}
	if word := english.FindString(bare); word != "" {
		return fmt.Sprintf("%s is written %s: conditions are made with && || !.", quoted(word), signs[strings.ToLower(word)])
	}
	if d.Summary == "Invalid single-argument block definition" {
		return "A block stands on one line whole, or each of its attributes and its closing brace on a line of their own."
	}
	return ""
}

// isField reports whether some block has an attribute of that name.
func isField(name string) bool {
	return slices.ContainsFunc(grammar, func(k blockKind) bool { return k.has(name) })
}

// has reports whether a kind of block may have an attribute.
func (k blockKind) has(name string) bool {
	return slices.ContainsFunc(k.fields, func(f field) bool { return f.name == name && (f.need == optional || f.need == required) })
}

// displaced says of blocks and attributes that do not belong where they stand, where they do. kind is what they stand in, "" for the top of a
// file.
func (l *loader) displaced(diags hcl.Diagnostics, kind string) hcl.Diagnostics {
	for _, d := range diags {
		if d.Subject == nil || l.files[d.Subject.Filename] == nil {
			continue
		}
		text, at := l.files[d.Subject.Filename].Bytes, d.Subject
		if at.End.Byte > len(text) || at.Start.Byte > at.End.Byte {
			continue
		}
		word, _, _ := strings.Cut(string(text[at.Start.Byte:at.End.Byte]), " ")
		switch d.Summary {
		case "Unsupported block type":
			d.Detail = fmt.Sprintf("There is no block %s %s.%s", quoted(word), where(kind), placeOfBlock(word, kind))
		case "Unsupported argument":
			d.Detail = fmt.Sprintf("There is no attribute %s %s.%s", quoted(word), where(kind), placeOfField(word, kind))
		}
	}
	return diags
}

func where(kind string) string {
	switch {
	case kind == "":
		return "at the top of a file"
	case strings.ContainsRune("aeiou", rune(kind[0])):
		return "in an " + kind + " block"
	}
	return "in a " + kind + " block"
}

// placeOfBlock says where a type of block belongs, or which one was meant.
func placeOfBlock(word, in string) string {
	for _, k := range grammar {
		switch {
		case k.name != word:
		case len(k.outer()) == 0:
			return fmt.Sprintf(" %s stands at the top of a file, outside of other blocks.", k.name)
		default:
			return fmt.Sprintf(" %s stands in %s.", k.name, strings.Join(k.outer(), " and in "))
		}
	}
	if in != "" && kindOf(in).has(word) {
		return fmt.Sprintf(" It is an attribute: %s = ...", word)
	}
	var names []string
	for _, k := range grammar {
		names = append(names, k.name)
	}
	meant := elsewhere[word]
	if !slices.Contains(names, meant) {
		meant = alike(word, names)
	}
	if meant == "" {
		return ""
	}
	if in == "" && len(kindOf(meant).outer()) == 0 || in != "" && slices.Contains(kindOf(in).within, meant) {
		return fmt.Sprintf(" Did you mean %s?", quoted(meant))
	}
	return fmt.Sprintf(" Did you mean %s?%s", quoted(meant), placeOfBlock(meant, in))
}

// placeOfField says where an attribute belongs, or which one was meant.
func placeOfField(word, in string) string {
	var names, homes []string
	for _, k := range grammar {
		if k.name == word {
			label := ""
			if k.label != "" {
				label = quoted(k.label) + " "
			}
			return fmt.Sprintf(" It is a block, %s %s{ ... }:%s", word, label, placeOfBlock(word, in))
		}
		if k.has(word) && in != "" && slices.Contains(kindOf(in).within, k.name) {
			return fmt.Sprintf(" %s stands in a %s block in it.", word, k.name)
		}
		if k.has(word) {
			homes = append(homes, k.name)
		}
		if k.name != in {
			continue
		}
		for _, f := range k.fields {
			names = append(names, f.name)
		}
	}
	if meant := elsewhere[word]; slices.Contains(names, meant) {
		return fmt.Sprintf(" Did you mean %s?", quoted(meant))
	}
	if meant := alike(word, names); meant != "" {
		return fmt.Sprintf(" Did you mean %s?", quoted(meant))
	}
	if len(homes) > 0 {
		return fmt.Sprintf(" %s stands in %s.", word, strings.Join(homes, " and in "))
	}
	return ""
}

// alike finds the known word that one looks like: near it, or the beginning of it, as redact is of redaction.
func alike(word string, known []string) string {
	if near := nearest(word, known); near != "" {
		return near
	}
	i := slices.IndexFunc(known, func(k string) bool {
		const telling = 4
		return len(k) >= telling && strings.HasPrefix(word, k) || len(word) >= telling && strings.HasPrefix(k, word)
	})
	if i < 0 {
		return ""
	}
	return known[i]
}

// crossesLines reports whether a pattern matches nothing without an end of line in it.
func crossesLines(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpLiteral:
		return slices.Contains(re.Rune, '\n')
	case syntax.OpCharClass:
		return slices.Equal(re.Rune, []rune{'\n', '\n'})
	case syntax.OpConcat:
		return slices.ContainsFunc(re.Sub, crossesLines)
	case syntax.OpCapture, syntax.OpPlus:
		return crossesLines(re.Sub[0])
	case syntax.OpRepeat:
		return re.Min > 0 && crossesLines(re.Sub[0])
	case syntax.OpAlternate:
		return !slices.ContainsFunc(re.Sub, func(sub *syntax.Regexp) bool { return !crossesLines(sub) })
	}
	return false
}
