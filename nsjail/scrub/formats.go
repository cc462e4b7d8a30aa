package scrub

import (
	"path"
	"slices"
	"strings"
)

// values says what a name gets; ok is false for one that keeps what it has.
type values func(name string) (value string, ok bool)

// format replaces values in a text, and counts them.
type format func(text []byte, of values) (edited []byte, n int, err error)

// formatOf tells by its name how a file is written: what ends like none of the others is taken for a dotenv file.
func formatOf(name string) format {
	base := strings.ToLower(path.Base(name))
	for _, as := range []string{".dist", ".bak", ".orig", ".old", ".example", ".sample", ".tmpl", ".j2"} {
		base = strings.TrimSuffix(base, as)
	}
	switch ext := path.Ext(base); {
	case ext == ".json":
		return editJSON
	case slices.Contains([]string{".yaml", ".yml"}, ext):
		return editYAML
	case slices.Contains([]string{".ini", ".cfg", ".conf", ".cnf", ".toml", ".properties", ".service"}, ext):
		return lines{separators: "=:", continued: true, strict: true}.edit
	case ext == ".env", strings.HasPrefix(base, ".env") && base != ".envrc":
		return within.edit
	case base == ".npmrc":
		return lines{separators: "=", strict: true}.edit
	}
	return lines{separators: "="}.edit
}

// piece is a part of a text that another one takes the place of.
type piece struct {
	from, to int
	text     string
}

// spliced puts pieces, which come in order, into a text.
func spliced(text []byte, pieces []piece) []byte {
	var edited []byte
	at := 0
	for _, p := range pieces {
		edited = append(append(edited, text[at:p.from]...), p.text...)
		at = p.to
	}
	return append(edited, text[at:]...)
}
