package docs

import (
	"regexp"
	"strings"
)

// varying is what is never the same twice, and what stands for it. The order counts: what is longer comes first.
var varying = []struct {
	pattern *regexp.Regexp
	as      string
}{
	{regexp.MustCompile(`\x1b\[[0-9;]*m`), ""},
	{regexp.MustCompile(`\b(session|request|grant) [a-z2-7]{12}\b`), "$1 ID"},
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`), "GUID"},
	{regexp.MustCompile(`SHA256:[A-Za-z0-9+/]{43}`), "DIGEST"},
	{regexp.MustCompile(`ssh-ed25519 AAAA[A-Za-z0-9+/]+`), "KEY"},
	{regexp.MustCompile(`\bage1[0-9a-z]{58}\b`), "RECIPIENT"},
	{regexp.MustCompile(`\b20\d\d-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?( ?UTC|Z)?`), "TIME"},
	{regexp.MustCompile(`\b20\d{6}T\d{6}(\.\d+)?Z`), "TIME"},
	{regexp.MustCompile(`\b\d\d:\d\d:\d\d(\.\d+)?\b`), "TIME"},
	{regexp.MustCompile(`\b([0-9a-f]{8}|[0-9a-f]{12,64})\b`), "DIGEST"},
	{regexp.MustCompile(`\b\d+(\.\d+)? ?(ms|s|KiB|MiB|GiB|KB|MB|GB)\b`), "AMOUNT"},
	{regexp.MustCompile(`\s+`), " "},
}

// same takes away from a line what varies.
func same(line string) string {
	for _, v := range varying {
		line = v.pattern.ReplaceAllString(line, v.as)
	}
	return strings.TrimRight(line, " ")
}

// matches reports whether lines are as a document shows them.
func matches(shown, seen []string) bool {
	if len(shown) == 0 {
		return len(seen) == 0
	}
	if shown[0] == "..." {
		for skip := 0; skip <= len(seen); skip++ {
			if matches(shown[1:], seen[skip:]) {
				return true
			}
		}
		return false
	}
	return len(seen) > 0 && lineMatches(shown[0], seen[0]) && matches(shown[1:], seen[1:])
}

func lineMatches(shown, seen string) bool {
	parts := strings.Split(same(shown), "...")
	for i, part := range parts {
		parts[i] = regexp.QuoteMeta(part)
	}
	return regexp.MustCompile("^" + strings.Join(parts, ".*") + "$").MatchString(same(seen))
}
