package doors

import (
	"context"
	"slices"
	"strings"
)

func doasProbe(_ context.Context, h *Host) finding {
	if h.exists("usr/bin/doas", "usr/local/bin/doas") == "" {
		return closed("there is no doas")
	}
	for _, file := range []string{"etc/doas.conf", "usr/local/etc/doas.conf"} { // the second is of who has built it himself
		text, _, err := h.read(file)
		for _, line := range lines(text) {
			if f := strings.Fields(line); f[0] != "deny" && !slices.Contains([]string{":" + AdminGroup, "root"}, permitted(f)) {
				return open("take it out of /"+file, "%.60q", line)
			}
		}
		if err != nil {
			return open("look at /"+file, "%v", err)
		}
	}
	return gated("root, and who is in %s", AdminGroup)
}

// permitted is whom a rule of doas.conf(5) is for; empty where that cannot be told.
func permitted(rule []string) string {
	if rule[0] != "permit" {
		return ""
	}
	inside := false // of setenv's braces
	for _, word := range rule[1:] {
		switch {
		case strings.ContainsAny(word, `"\\`):
			return ""
		case strings.ContainsAny(word, "{}"):
			inside = strings.LastIndex(word, "{") > strings.LastIndex(word, "}")
			if !strings.HasSuffix(word, "{") && !strings.HasSuffix(word, "}") && !inside {
				return ""
			}
		case inside || slices.Contains([]string{"nopass", "persist", "nolog", "keepenv", "setenv"}, word):
		default:
			return word
		}
	}
	return ""
}
