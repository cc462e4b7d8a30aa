package policy_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"forkgate/gate"
	"forkgate/gate/policy"
)

// form makes a condition about the form of a repository's name, which may speak of one name as well.
func (d dice) form(depth int, named bool) string {
	switch {
	case depth > 0 && d.IntN(2) == 0:
		return "(" + d.form(depth-1, named) + d.pick(" && ", " || ") + d.form(depth-1, named) + ")"
	case d.IntN(4) == 0:
		return "!" + d.form(0, named)
	case d.IntN(4) == 0:
		return fmt.Sprintf("startswith(target.repo, %q)", d.pick("a", "ab", "b", "aa"))
	case named && d.IntN(6) == 0:
		return fmt.Sprintf("(target.repo == %q)", d.pick("a", "ab", "ba"))
	}
	return fmt.Sprintf("glob(target.repo, %q)", d.pick("*", "a*", "*b", "a*b", "?", "??", "a?", "*a*", "?b*", "*a?", "a*a*", "??*"))
}

// network makes one about where the caller is.
func (d dice) network() string {
	return d.pick("", "!") + fmt.Sprintf("cidr(source.ip, %s)", d.pick(
		`"10.0.0.0/8"`, `"10.0.0.0/9"`, `"10.128.0.0/9"`, `["10.0.0.0/9", "10.128.0.0/9"]`, `"0.0.0.0/0"`, `"::/0"`, `["0.0.0.0/0", "::/0"]`, `"2001:db8::/32"`))
}

// names are none, and the first names that there are by two letters and one that no pattern has.
func names(longest int) (all []string) {
	last := []string{""}
	all = last
	for range longest {
		var next []string
		for _, name := range last {
			for _, letter := range "abc" {
				next = append(next, name+string(letter))
			}
		}
		all, last = append(all, next...), next
	}
	return all
}

// TestShadowsExactly: a permit about names and networks is said to never take effect exactly where no name and no address makes a request
// that it lets in and the forbid does not keep out. The forbid names no name: one that does is looked at only for rules that name it too.
func TestShadowsExactly(t *testing.T) {
	d := dice{rand.New(rand.NewPCG(3, 4))}
	var callers []netip.Addr
	for _, from := range []string{"10.0.0.1", "10.200.0.1", "192.0.2.1", "0.0.0.0", "255.255.255.255", "2001:db8::1", "::1"} {
		callers = append(callers, netip.MustParseAddr(from))
	}
	repos, shadowed := names(6), 0
	for range 500 {
		permit := fmt.Sprintf("permit \"p\" {\n when = op == \"shell\" && %s%s\n}\n", d.form(2, true), d.pick("", " && "+d.network()))
		forbid := fmt.Sprintf("forbid \"f\" {\n when = %s%s\n reason = \"no\"\n}\n", d.form(2, false), d.pick("", " || "+d.network(), " && "+d.network()))
		try := func(text ...string) (*policy.Policy, error) {
			return policy.Load(readFile(t, "common.hcl"), policy.Text{Name: "r.hcl", Text: []byte(strings.Join(text, ""))})
		}
		alone, err := try(permit, "forbid \"other\" {\n when = op == \"remove\"\n reason = \"no\"\n}\n")
		against, unable := try(forbid, "permit \"other\" {\n when = op == \"remove\" && target.repo == \"c\"\n}\n")
		if err != nil || unable != nil {
			continue // a condition that nothing meets, or one that all do
		}
		witness := func() string {
			for _, repo := range repos {
				for _, from := range callers {
					q := gate.Request{Caller: gate.Caller{Principal: "alice"}, Op: gate.OpShell, Target: gate.Target{Repo: repo, Grand: true}, Source: from}
					if alone.Decide(q).Rule == "p" && against.Decide(q).Rule != "f" {
						return fmt.Sprint(repo, " from ", from)
					}
				}
			}
			return ""
		}()
		_, err = try(permit, forbid)
		if hidden := err != nil && strings.Contains(err.Error(), "Never takes effect"); hidden != (witness == "") {
			t.Fatalf("shadowed: %v, and let in is: %q\n%s%s%v", hidden, witness, permit, forbid, err)
		} else if hidden {
			shadowed++
		}
	}
	if shadowed < 10 {
		t.Errorf("the dice made %d shadows: this test tried nothing", shadowed)
	}
}
