package docs

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	inline = regexp.MustCompile("`((?:forkgate|forkgate-attest) [^`]+)`")
	flag   = regexp.MustCompile(`--[a-z][a-z0-9-]*`)
)

// mentioned are the commands that a document speaks of in a sentence, where nobody types them.
func (d *document) mentioned() (all []string) {
	for i, line := range d.lines {
		within := slices.ContainsFunc(d.blocks, func(b block) bool { return b.first-1 <= i && i <= b.end })
		for _, found := range inline.FindAllStringSubmatch(line, -1) {
			if !within && !strings.HasPrefix(line, "#") && !slices.Contains(all, found[1]) {
				all = append(all, found[1])
			}
		}
	}
	return all
}

// knows asks a program's help for a command, and for the flags that a document gives it.
func (w *world) knows(t *testing.T, said string) string {
	t.Helper()
	words := strings.Fields(said)
	name := words[1]
	ask := words[0] + " " + name
	if len(words) > 2 && regexp.MustCompile(`^[a-z]+$`).MatchString(words[2]) {
		ask += " " + words[2]
	}
	help := w.Run(t.Context(), t, "bash", "-c", "PATH=$PATH:/root/attest/usr/bin; "+ask+" --help 2>&1")
	_, usage, _ := strings.Cut(help.Stdout, "Usage:\n")
	usage, _, _ = strings.Cut(strings.TrimSpace(usage), "\n")
	if help.Code != 0 || !strings.HasPrefix(usage, words[0]+" "+name) {
		return "there is no command " + ask
	}
	if strings.Contains(help.Stdout, " [command]") && !strings.HasPrefix(usage, ask) { // the help of what is above it
		return "there is no command " + ask
	}
	for _, f := range flag.FindAllString(said, -1) {
		if !strings.Contains(help.Stdout, f+" ") && !strings.Contains(help.Stdout, f+"\n") {
			return ask + " has no " + f
		}
	}
	return ""
}
