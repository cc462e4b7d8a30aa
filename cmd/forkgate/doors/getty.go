package doors

import (
	"path"
	"regexp"
	"strings"
)

// short are agetty's options of one letter that have it not ask: -a, -n, and -l, for what is to ask in login's place (agetty(8)). They may be in one word with others.
var short = regexp.MustCompile(`^-[A-Za-z0-9]*[aln]`)

// unasked says, of what systemd starts for a getty, why somebody may get in who was not asked; empty: login asks, as far as that shows.
func unasked(start string) string {
	for i, command := range strings.Split(start, "argv[]=") {
		command, _, _ = strings.Cut(command, " ; ")
		words := strings.Fields(command)
		if i == 0 || len(words) == 0 { // what is before the first
			continue
		}
		if program := path.Base(words[0]); program != "agetty" && program != "getty" {
			return "starts " + program + ", and nobody knows what that asks"
		}
		for _, word := range words[1:] {
			if strings.HasPrefix(word, "--a") {
				return "logs somebody in whom it does not ask"
			}
			if strings.HasPrefix(word, "--sk") || strings.HasPrefix(word, "--login-pr") || short.MatchString(word) {
				return "does not ask, or not by login: " + word
			}
		}
	}
	return ""
}
