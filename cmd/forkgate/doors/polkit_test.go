package doors

import "testing"

// The rule that Close writes is not the only one: another may say yes to anything, or be asked first.
func TestPolkitAfterClosing(t *testing.T) {
	const admins = "/* who\n * may */\n// x\npolkit.addAdminRule(function(action, subject) {\n    return [\"unix-group:sudo\"];\n});\n"
	const yes = "polkit.addRule(function() { return polkit.Result.YES; });\n"
	for _, c := range []struct {
		name, text string
		want       State
	}{
		{"etc/polkit-1/rules.d/README", yes, Gated},
		{"etc/polkit-1/rules.d/50-default.rules", admins, Gated},
		{"etc/polkit-1/rules.d/00-aaa.rules", admins, Open},
		{"etc/polkit-1/rules.d/50-own.rules", yes, Open},
		{"etc/polkit-1/rules.d/50-own.rules", admins + yes, Open},
		{"etc/polkit-1/rules.d/50-own.rules", "// x\n" + yes + admins, Open},
		{"etc/polkit-1/rules.d/50-own.rules", "/* */ " + yes + "/* */" + admins, Open},
		{"usr/local/share/polkit-1/rules.d/x.rules", yes, Open},
		{"usr/share/polkit-1/rules.d/x.rules", yes, Open},
		{"usr/share/polkit-1/rules.d/of-a-package.rules", yes, Gated},
		{"etc/polkit-1/localauthority/50-local.d/x.pkla", "[x]\nIdentity=unix-user:mallory\nAction=*\nResultAny=yes\n", Open},
		{"var/lib/polkit-1/localauthority/10-vendor.d/of-a-package.pkla", "", Gated},
		{polkitRule[1:], polkitText + yes, Open},
		{polkitRule[1:], "", Open},
	} {
		f := shut()
		f.write("var/lib/dpkg/info/x.list", "/usr/share/polkit-1/rules.d/of-a-package.rules\n/etc/polkit-1/rules.d/50-own.rules\n/var/lib/polkit-1/localauthority/10-vendor.d/of-a-package.pkla\n")
		f.write(polkitRule[1:], polkitText)
		f.write(c.name, c.text)
		if r := row(t, f, "polkit"); r.State != c.want {
			t.Errorf("%s, %q: %+v", c.name, c.text, r)
		}
	}
}
