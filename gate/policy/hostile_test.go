package policy_test

import (
	"strings"
	"testing"

	"forkgate/gate/policy"
)

// Files made to exhaust the stack or the time of a recursive parser: each is refused, the deep ones before they are parsed.
// (Without that, "splats" of 1 MiB ended the process.) What is left is time: over comments and texts that never end HCL's
// scanner takes time that grows with the square of the file's length, half a minute for 128 KiB. Only root writes these files.
func TestHostileFiles(t *testing.T) {
	const when, deep, long = "permit \"a\" {\nwhen = (", "Nested too deep", "Line too long"
	for _, c := range []struct{ name, start, repeated, want string }{
		{"brackets", when, "(\n", deep},
		{"lists", when, "[\n", deep},
		{"objects", when, "{a=\n", deep},
		{"blocks", "", "a {\n", deep},
		{"negations", when, "!\n", deep},
		{"signs", when, "- ! \n", deep},
		{"ternaries", when, "true?\ntrue:\n", deep},
		{"templates", when, "\"${\n", deep},
		{"directives", "a = <<E\n", "%{if true}\n", deep},
		{"calls", when, "f(\n", deep},
		{"splats", when + "a", "[*]\n", deep},
		{"attribute splats", when + "a", ".*\n", deep},
		{"terms", when, "true||\n", "Missing expression"},
		{"comparisons", when, "1==\n", "Missing expression"},
		{"steps", when + "a", ".a\n", "Unbalanced parentheses"},
		{"indices", when + "a", "[0]\n", "Unbalanced parentheses"},
		{"words", when + "contains([", "\"shel\",\n", ""},
		{"labels", "permit ", "\"a\" ", long},
		{"one line", when, "(", long},
		{"comments", "", "/*\n", ""},
		{"zeroes", "", "\x00\n", "Not a text"},
		{"terminal", "# ", "\x1b[2J\n", "Not a text"},
		{"not UTF-8", "", "\xff\n", "Not a text"},
		{"not UTF-8, one line", "", "\xff", long},
		{"quotes", "", "'\n", ""},
		{"backquotes", when, "`\n", ""},
		{"open texts", "", "\"\n", ""},
		{"heredocs", "", "a = <<E\n", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			size := policy.MaxFile / 128
			if c.want == long {
				size = policy.MaxFile
			}
			text := c.start + strings.Repeat(c.repeated, size/len(c.repeated))
			_, err := policy.Load(policy.Text{Name: "hostile.hcl", Text: []byte(text)})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %.200v, want %q", err, c.want)
			}
			if shown := len(err.Error()); shown > 1<<20 {
				t.Errorf("%d bytes of complaints", shown)
			}
		})
	}
}
