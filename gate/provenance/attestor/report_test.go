package attestor

import (
	"strings"
	"testing"

	"forkgate/gate/provenance"
)

func TestLeaveFrom(t *testing.T) {
	const set = provenance.OverrideVariable + "="
	all := provenance.Protections()
	for _, c := range []struct {
		name    string
		verdict provenance.Verdict
		has     []provenance.Protection
		environ []string
		want    string
	}{
		{"a person", provenance.ByPerson, all, []string{"A=b", set + "demo,shop"}, "would have leave for demo, shop"},
		{"without ptrace", provenance.ByPerson, []provenance.Protection{provenance.NoTIOCSTI, provenance.Events}, []string{set + "demo"}, "would have leave for demo"},
		{"without events", provenance.ByPerson, []provenance.Protection{provenance.NoTIOCSTI, provenance.NoPtrace}, []string{set + "demo"}, "none: this workstation does not have the protection events"},
		{"a space", provenance.ByPerson, all, []string{set + "demo, shop"}, `none: " shop" is no name of a repository`},
		{"nothing", provenance.ByPerson, all, []string{set}, `none: "" is no name`},
		{"two", provenance.ByPerson, all, []string{set + "demo", set + "shop"}, "none: there are two"},
		{"not set", provenance.ByPerson, all, []string{"X" + set + "demo"}, ""},
		{"an agent", provenance.ByAgent, all, []string{set + "demo"}, ""},
		{"unverified", provenance.Unverified, all, []string{set + "demo"}, ""},
		{"nobody", Report{}.Verdict, nil, []string{set + "*"}, ""},
	} {
		r := Report{Verdict: c.verdict, Protections: c.has}
		if got := r.LeaveFrom(c.environ); !strings.Contains(got, c.want) || (c.want == "") != (got == "") {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
