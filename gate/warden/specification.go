package warden

import (
	"fmt"
	"strings"

	"forkgate/fork"
	"forkgate/gate"
	"forkgate/nsjail"
	"forkgate/nsjail/wire"
)

// specification is what a tree's pod is made from.
func (p *pods) specification(t fork.Tree) nsjail.Spec {
	dirs := p.trees.Dirs(t)
	return nsjail.Spec{
		GUID: t.GUID, SubUID: t.SubUID(), Hostname: hostname(t),
		Root: dirs.Root, Data: dirs.Data, Docker: dirs.Docker, Home: dirs.Home,
		Mountpoint: nsjail.Mountpoint(t.GUID), NetworkID: t.NetworkID(), Network: p.network(t), Autostart: p.autostarts(t),
		Scrub: p.scrubs(t),
	}
}

// apart is the specification of a pod that nobody's sessions are in, without a network, and what is done in it first.
func (p *pods) apart(t fork.Tree, first []wire.Scrub) nsjail.Spec {
	spec := p.specification(t)
	spec.Scrub, spec.Network, spec.Autostart = first, nsjail.Network{}, false
	return spec
}

// hostname makes a ref a host name (RFC 1123): prompts show it.
func hostname(t fork.Tree) string {
	const most = 63
	name := strings.Map(func(r rune) rune {
		if strings.ContainsRune("._:", r) {
			return '-'
		}
		return r
	}, t.Ref())
	return strings.Trim(name[:min(len(name), most)], "-")
}

// execution is a caller's work as the pod is told of it. What the warden says comes last, and so wins.
func (p *pods) execution(session string, who gate.Caller, t fork.Tree, what gate.Work) (nsjail.Exec, error) {
	variables, err := p.secretVariables(t)
	if err != nil {
		return nsjail.Exec{}, err
	}
	role := "fork"
	if t.Grand {
		role = "grand"
	}
	e := nsjail.Exec{
		Session: session, Home: who.Principal + "." + who.Kind.String(), Command: what.Command,
		Env: append(append(append([]string(nil), what.Env...), variables...),
			"REDIACC_WORKING_DIR="+nsjail.Mountpoint(t.GUID),
			"REDIACC_REPOSITORY="+t.GUID,
			fmt.Sprintf("REDIACC_NETWORK_ID=%d", t.NetworkID()),
			"REDIACC_ROLE="+role,
			// /var/run is a link to /run: the name by which callers know it.
			"DOCKER_HOST=unix:///var"+nsjail.DockerSocket(t.NetworkID()),
			"FORKGATE_SESSION="+session,
		),
	}
	if t.Parent != "" {
		e.Env = append(e.Env, "REDIACC_PARENT="+t.Parent)
	}
	// What an agent leaves behind ends with its session. A person's work outlives a network that fails.
	if who.Kind == gate.Human && what.Grant == "" {
		e.Linger = p.rules.Repository(t.Repo).Linger
	}
	if to := what.Forward; to != (gate.Destination{}) {
		e.Command, e.Forward, e.Linger = nil, &wire.Forward{Network: to.Network(), Address: to.Address(), Listen: what.Listen}, 0
	}
	e.Agent = what.Agent
	if t := what.Terminal; t != nil {
		e.Terminal = &wire.Terminal{
			Term: []byte(t.Term), Modes: t.Modes,
			Size: wire.Resize{Columns: t.Size.Columns, Rows: t.Size.Rows, Width: t.Size.Width, Height: t.Size.Height},
		}
	}
	return e, nil
}
