package chain

import (
	"strings"
	"testing"

	"forkgate/gate/policy"
	"forkgate/gate/provenance"
	policyd "forkgate/policy.d"
)

func load(t *testing.T, more ...policy.Source) []provenance.Agent {
	t.Helper()
	p, err := policy.Load(append(more, policy.FS{FS: policyd.Files(), Prefix: "policy.d"})...)
	if err != nil {
		t.Fatal(err)
	}
	return p.Agents()
}

// TestEachAgentOfTheData makes a process out of each thing that the data says of each agent, and one that only resembles it.
func TestEachAgentOfTheData(t *testing.T) {
	agents := load(t)
	if len(agents) < 25 {
		t.Fatalf("only %d agents", len(agents))
	}
	for _, a := range agents {
		t.Run(a.Name, func(t *testing.T) { tryAgent(t, agents, a) })
	}
}

// tryAgent tries the whole row.
func tryAgent(t *testing.T, agents []provenance.Agent, a provenance.Agent) {
	t.Helper()
	judge := func(p Process) Judgement {
		tr := newTrial(between(person(), p))
		tr.rules.Agents = agents
		return tr.judge(t)
	}
	notOne := func(what string, p Process) {
		t.Helper()
		if j := judge(p); j.Verdict != provenance.ByPerson {
			t.Errorf("what resembles %s is %s: %q", what, j.Verdict, j.Reasons)
		}
	}
	try := func(what string, is, resembles Process) {
		t.Helper()
		if j := judge(is); j.Verdict != provenance.ByAgent || j.Agent != a.Name {
			t.Errorf("%s is %s of %q: %q", what, j.Verdict, j.Agent, j.Reasons)
		}
		notOne(what, resembles)
	}
	for _, m := range a.Env {
		entry := map[provenance.Match]string{
			provenance.Exactly: m.Name + "=" + m.Value, provenance.Contains: m.Name + "=x " + m.Value + "/1", provenance.NonEmpty: m.Name + "=x",
		}[m.Match]
		try(m.String(), Process{Environ: []string{entry}}, Process{Environ: []string{"X" + entry, m.Name + "=", m.Name + "X=1"}})
	}
	for _, m := range a.Mixed {
		notOne(m.String(), Process{Environ: []string{m.Name + "=" + m.Value + "x"}})
	}
	for _, comm := range a.Comm {
		try("comm "+comm, Process{Comm: comm}, Process{Comm: "x" + comm[:min(len(comm), 14)]})
	}
	for _, exe := range a.Exe {
		try("exe "+exe, Process{Exe: "/opt/" + exe}, Process{Exe: "/opt/" + exe + "/x" + exe})
		try("exe "+exe, Process{Exe: "/opt/" + exe + " (deleted)"}, Process{Exe: "/opt/x" + exe + " (deleted)"})
	}
	for _, path := range a.Path {
		try("path "+path, Process{Exe: "/opt/" + path + "/node"}, Process{Exe: "/opt/x" + path + "/node"})
		try("path "+path, Process{Argv: []string{"node", "/lib/" + path + "/x.js"}}, Process{Argv: []string{"node", "x", "/lib/" + path + "/x.js"}})
	}
	for _, argv := range a.Argv {
		none := Process{Argv: []string{"node", "--no-warnings=x", "/usr/bin/x" + argv, argv}}
		for _, is := range [][]string{
			{argv}, {"node", "/usr/bin/" + argv}, {"node", "--no-warnings=DEP0040", "/usr/bin/" + argv}, {"bash", "--norc", "./" + argv, "x"},
			{"python3", "-m", argv}, {"python3", "-W", "ignore", "-I", "./" + argv}, {"env", "-S", "node", argv}, {"node", "--", argv},
		} {
			try("argv "+strings.Join(is, " "), Process{Exe: "/usr/bin/" + map[bool]string{true: "node-20.1", false: is[0]}[is[0] == argv], Argv: is}, none)
		}
		for _, no := range [][]string{{"bash", "-c", "code", argv}, {"python3", "-c", "code", argv}, {"python3", "-m", "x", argv}, {"node", "x", argv}} {
			notOne("argv "+strings.Join(no, " "), Process{Exe: "/usr/bin/" + no[0], Argv: no})
		}
		for _, program := range []string{"which", "cp", "ssh"} {
			notOne("argv "+program+" "+argv, Process{Exe: "/usr/bin/" + program, Argv: []string{program, argv}})
		}
	}
}

func TestAddingAnAgentIsDataOnly(t *testing.T) {
	row := `agent "Sorcerer" {
  env  = ["SORCERER_RUN"]
  comm = ["sorcerer"]
  exe  = ["sorcerer-cli"]
  path = ["sorcerer-dist"]
  argv = ["sorcerer.js"]
}`
	before, after := load(t), load(t, policy.Text{Name: "local.hcl", Text: []byte(row)})
	for _, a := range after {
		if a.Name == "Sorcerer" {
			tryAgent(t, after, a)
		}
	}
	tr := newTrial(between(person(), Process{Comm: "sorcerer"}))
	tr.rules.Agents = before
	if j := tr.judge(t); j.Verdict != provenance.ByPerson {
		t.Errorf("known before its row was there: %+v", j)
	}
	tr.rules.Agents = after
	if j := tr.judge(t); j.Agent != "Sorcerer" {
		t.Errorf("unknown with its row: %+v", j)
	}
}
