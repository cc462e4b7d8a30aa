package systemd

import (
	"fmt"
	"strings"
)

// Instance is the name of a template's instance: Instance("pod@.service", "x") is pod@x.service. An instance may have letters,
// digits and hyphens, which systemd takes as they are; anything else is refused rather than escaped.
func Instance(template, instance string) (string, error) {
	before, after, ok := strings.Cut(template, "@.")
	if !ok || instance == "" || len(instance) > 200 || strings.Trim(instance, allowed) != "" || instance[0] == '-' {
		return "", fmt.Errorf("%q is no instance of %q", instance, template)
	}
	return before + "@" + instance + "." + after, nil
}

// InstanceOf is the reverse of [Instance]; false for a unit of another template.
func InstanceOf(template, unit string) (string, bool) {
	before, after, _ := strings.Cut(template, "@.")
	rest, ok := strings.CutPrefix(unit, before+"@")
	if !ok {
		return "", false
	}
	return strings.CutSuffix(rest, "."+after)
}

const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"
