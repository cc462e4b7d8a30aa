package doors

import (
	"context"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
)

// polkitGroups are whom polkit takes for administrators unless it is told otherwise: Debian, Ubuntu; Fedora.
var polkitGroups = []string{"sudo", "admin", "wheel"}

// polkitRule comes before others by its name, and polkit takes the first answer (polkit(8)).
const polkitRule = "/etc/polkit-1/rules.d/00-forkgate-doors.rules"

const polkitText = "// " + mark + "\npolkit.addAdminRule(function() { return [\"unix-group:" + AdminGroup + "\"]; });\n"

// ruleDirs are where rules lie. Packages have theirs in the last one.
var ruleDirs = []string{"etc/polkit-1/rules.d", "run/polkit-1/rules.d", "usr/local/share/polkit-1/rules.d", packagedRules}

const packagedRules = "usr/share/polkit-1/rules.d"

// adminRule is a file that says who administrators are, and nothing else: where the first one to say so is ours that is no matter.
var adminRule = regexp.MustCompile(`^(\s|//[^\n]*\n|/\*([^*]|\*+[^*/])*\*+/)*polkit\.addAdminRule\(function\([a-z, ]*\) *\{\s*return \[[a-zA-Z0-9_:", -]*\];\s*\}\);\s*$`)

// ownRules are files of rules that no package has brought and that may let somebody be root: those that are not understood, in which there may be anything.
func (h *Host) ownRules(ctx context.Context) (own []string, err error) {
	for _, dir := range ruleDirs {
		files, err := h.list(dir)
		if err != nil {
			return nil, err
		}
		files = slices.DeleteFunc(files, func(f string) bool { return !strings.HasSuffix(f, ".rules") || "/"+f == polkitRule })
		owned := map[string]bool{}
		if dir == packagedRules {
			owned = h.ofPackages(ctx, files)
		}
		for _, file := range files {
			text, _, err := h.read(file)
			empty := strings.TrimSpace(text) == "" // so is one that hides a package's of that name
			understood := err == nil && (empty || adminRule.MatchString(text) && path.Base(file) > path.Base(polkitRule))
			if !owned[file] && !understood {
				own = append(own, "/"+file)
			}
		}
	}
	grants, err := h.grants(ctx)
	return append(own, grants...), err
}

// localAuthority has what polkit before 0.106, and pkla-check-authorization beside newer ones, reads (pklocalauthority(8)): a file in a directory of a directory.
var localAuthority = []string{"etc/polkit-1/localauthority/*/*.pkla", "var/lib/polkit-1/localauthority/*/*.pkla"}

// grants are those files that no package has brought. What they say is in no need of an administrator.
func (h *Host) grants(ctx context.Context) (own []string, err error) {
	var files []string
	for _, pattern := range localAuthority {
		found, err := fs.Glob(h.Files, pattern)
		if err != nil {
			return nil, err
		}
		files = append(files, found...)
	}
	if len(files) == 0 {
		return nil, nil
	}
	owned := h.ofPackages(ctx, files)
	for _, file := range files {
		if !owned[file] {
			own = append(own, "/"+file)
		}
	}
	return own, nil
}

func polkitProbe(ctx context.Context, h *Host) finding {
	if h.exists("usr/bin/pkexec", "usr/lib/polkit-1/polkitd", "usr/libexec/polkitd", "usr/lib/policykit-1/polkitd") == "" {
		return closed("there is no polkit")
	}
	own, err := h.ownRules(ctx)
	if err != nil {
		return open("look at /etc/polkit-1/rules.d", "%v", err)
	}
	text, there, err := h.read(polkitRule[1:])
	switch {
	case err != nil || there && text != polkitText:
		return open("remove it, and then: forkgate doors --close polkit", "%s is not what forkgate has written", polkitRule)
	case there && len(own) > 0:
		return open("read them, and remove what is not needed; or --except polkit", "rules of this host's own: %s", some(own))
	case there:
		return gated("who is in %s", AdminGroup)
	}
	return h.polkitUnasked(own)
}

// polkitUnasked is how polkit stands without a rule of ours.
func (h *Host) polkitUnasked(own []string) finding {
	a, err := h.accounts()
	if err != nil {
		return open("look at it", "%v", err)
	}
	var who []string
	for _, group := range polkitGroups {
		who = append(who, a.strangers(a.members[group])...)
	}
	switch {
	case len(who) > 0 || a.elsewhere != "":
		return open("", "%s", some(append(who, strings.Fields(a.elsewhere)...)))
	case len(own) > 0:
		return open("read them, then: forkgate doors --close polkit", "rules of this host's own: %s", some(own))
	}
	return closed("nobody but %s is in its groups", AdminGroup)
}

func closePolkit(context.Context, *Host) ([]step, error) {
	return []step{{path: polkitRule, text: polkitText, mode: 0o644}}, nil
}
