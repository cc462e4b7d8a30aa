package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	link      = regexp.MustCompile(`\]\(([^)]+)\)`)
	reference = regexp.MustCompile(`\]\[([a-z-]+)\]`)
	defined   = regexp.MustCompile(`(?m)^\[([a-z-]+)\]: https://\S+$`)
)

// A link within the repository leads to a file, and to a heading of it; one by a name has an address.
func TestLinksLeadSomewhere(t *testing.T) {
	for _, d := range documents(t) {
		text := strings.Join(d.lines, "\n")
		for _, found := range link.FindAllStringSubmatch(text, -1) {
			if why := leads(d.file, found[1]); why != "" {
				t.Errorf("%s: %s", d.name, why)
			}
		}
		var have []string
		for _, found := range defined.FindAllStringSubmatch(text, -1) {
			have = append(have, found[1])
			if !strings.Contains(text, "]["+found[1]+"]") {
				t.Errorf("%s: nothing leads to [%s]", d.name, found[1])
			}
		}
		for _, found := range reference.FindAllStringSubmatch(text, -1) {
			if !slices.Contains(have, found[1]) {
				t.Errorf("%s: [%s] has no address", d.name, found[1])
			}
		}
	}
	if leads("doc.go", "nowhere.md") == "" || leads("doc.go", "../../README.md#nowhere") == "" || leads("doc.go", "../../README.md#install") != "" {
		t.Error("links are not looked at")
	}
}

// leads says where a link of a file does not.
func leads(from, to string) string {
	if strings.HasPrefix(to, "https://") {
		return ""
	}
	file, heading, _ := strings.Cut(to, "#")
	if file == "" {
		file = from
	} else {
		file = filepath.Join(filepath.Dir(from), file)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	if heading == "" {
		return ""
	}
	for line := range strings.SplitSeq(string(text), "\n") {
		if title, ok := strings.CutPrefix(strings.TrimLeft(line, "#"), " "); ok && strings.HasPrefix(line, "#") && slug(title) == heading {
			return ""
		}
	}
	return to + ": no such heading"
}

// slug is what GitHub makes of a heading.
func slug(title string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			return r
		}
		return -1
	}, strings.ToLower(title))
}
