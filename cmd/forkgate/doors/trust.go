package doors

import (
	"context"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

// asking are the services of PAM by which somebody is asked who he is before he is root, or here. What they include is looked at as well.
var asking = []string{"su", "su-l", "sudo", "sudo-i", "login", "sshd", "polkit-1", "common-auth", "system-auth", "password-auth"}

// authLine is one of a stack that asks: its control, its module, and what that is told (pam.conf(5)).
var authLine = regexp.MustCompile(`(?i)^-?auth\s+(\[[^\]]*\]|\S+)\s+(\S+)\s*(.*)$`)

// enough is a control by which a module's success leaves out what comes after it, all or some.
var enough = regexp.MustCompile(`(?i)^sufficient$|success=(done|[0-9])`)

// included has the name of another file in a stack.
var included = regexp.MustCompile(`(?i)^(?:@include|-?auth\s+(?:include|substack))\s+(\S+)`)

func trustProbe(_ context.Context, h *Host) finding {
	var trusting []string
	names := slices.Clone(asking)
	for i := 0; i < len(names); i++ {
		file := "etc/pam.d/" + names[i]
		if h.exists(file) == "" {
			file = "usr/lib/pam.d/" + names[i]
		}
		text, _, err := h.read(file)
		if err != nil {
			return open("look at /"+file, "%v", err)
		}
		for _, line := range lines(text) {
			if f := included.FindStringSubmatch(line); f != nil && !strings.Contains(f[1], "/") && !slices.Contains(names, f[1]) {
				names = append(names, f[1])
			}
			if trusts(line) {
				trusting = append(trusting, fmt.Sprintf("/%s: %s", file, strings.Join(strings.Fields(line), " ")))
			}
		}
	}
	if len(trusting) > 0 {
		file, _, _ := strings.Cut(trusting[0], ": ")
		return open("take that line out of "+file+"; or --except 'PAM trusts'", "%s", some(trusting))
	}
	return closed("su, sudo and logins ask whoever is not root")
}

// trusts reports whether a line of a stack lets somebody be another who was asked for nothing.
func trusts(line string) bool {
	f := authLine.FindStringSubmatch(line)
	if f == nil || !enough.MatchString(f[1]) {
		return false
	}
	told := strings.Fields(f[3])
	switch path.Base(f[2]) {
	case "pam_wheel.so":
		return slices.Contains(told, "trust") && !slices.Contains(told, "group="+AdminGroup)
	case "pam_permit.so", "pam_succeed_if.so":
		return true
	}
	return false
}
