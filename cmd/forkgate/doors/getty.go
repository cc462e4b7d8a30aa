package doors

import (
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"
)

// short are agetty's options of one letter that have it not ask: -a, -n, and -l, for what is to ask in login's place (agetty(8)). They may be in one word with others.
var short = regexp.MustCompile(`^-[A-Za-z0-9]*[aln]`)

// gettys are where an operator says how they are started, of those as well that do not run yet.
var gettys = []string{"systemd/system/*getty*.service", "systemd/system/*getty*.service.d/*.conf", "systemd/system/autovt@*.service", "systemd/system/autovt@*.service.d/*.conf"}

// unaskedLater is the first file by which a getty that is yet to be started would not ask.
func (h *Host) unaskedLater() (file, why string) {
	for _, dir := range []string{"etc/", "run/"} {
		for _, pattern := range gettys {
			files, _ := fs.Glob(h.Files, dir+pattern)
			for _, name := range files {
				text, _, err := h.read(name)
				if err != nil {
					return "/" + name, fmt.Sprint(err)
				}
				for _, line := range lines(text) {
					start, is := strings.CutPrefix(line, "ExecStart=")
					if why := unasked("argv[]=" + strings.TrimLeft(start, "-@:+!|")); is && why != "" {
						return "/" + name, why
					}
				}
			}
		}
	}
	return "", ""
}

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
