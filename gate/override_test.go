package gate

import "testing"

func TestOverrides(t *testing.T) {
	demo := Target{Repo: "demo", Grand: true}
	for _, test := range []struct {
		name    string
		kind    Kind
		o       Override
		target  Target
		granted bool
		refused string
	}{
		{"none", Agent, Override{}, demo, false, ""},
		{"named", Agent, Override{Repos: []string{"shop", "demo"}}, demo, true, ""},
		{"another", Agent, Override{Repos: []string{"shop"}}, demo, false, OverrideElsewhere},
		{"only the start of the name", Agent, Override{Repos: []string{"dem", "demo2"}}, demo, false, OverrideElsewhere},
		{"no patterns", Agent, Override{Repos: []string{"*"}}, demo, false, OverrideElsewhere},
		{"refused", Agent, Override{Repos: []string{"demo"}, Refused: OverrideSetByAgent}, demo, false, OverrideSetByAgent},
		{"a fork of it", Agent, Override{Repos: []string{"demo"}}, Target{Repo: "demo", Tag: "x", Fork: true}, false, ""},
		{"neither", Agent, Override{Repos: []string{"demo"}}, Target{Repo: "demo"}, false, ""},
		{"a person", Human, Override{Repos: []string{"demo"}}, demo, false, ""},
	} {
		r := Request{Caller: Caller{Kind: test.kind, Override: test.o}, Target: test.target}
		if r.OverrideGranted() != test.granted || r.OverrideRefused() != test.refused {
			t.Errorf("%s: granted %t, refused %q", test.name, r.OverrideGranted(), r.OverrideRefused())
		}
	}
}
