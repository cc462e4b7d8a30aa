package chain

import (
	"path"
	"slices"
	"strings"

	"forkgate/gate"
	"forkgate/gate/provenance"
)

// hosts are programs that let others type for a person or run what a person did not ask for, by the name of their executable. A host of
// terminals is known by what it does as well: below it is another terminal than above.
func hosts() []string {
	return []string{
		"tmux", "screen", "SCREEN", "script", "dtach", "abduco", "zellij", "ttyd", "gotty", "expect", "mosh-server", "sshd", "sshd-session",
		"code", "code-insiders", "codium", "cursor", "windsurf", "trae", "kiro", "zed", "zed-editor", "idea", "goland", "pycharm",
		"webstorm", "clion", "rider", "phpstorm", "rubymine", "rustrover", "fleet", "emacs", "nvim", "vim", "jupyter", "jupyter-lab",
	}
}

// OpenToAll reports whether a program, by its path, is known to have any process of an account type into what it hosts, or start what it
// likes there. An agent that does so starts nothing itself, and is not remembered for it: to admit such a program admits all agents.
func OpenToAll(program string) bool {
	return slices.Contains([]string{
		"tmux", "screen", "SCREEN", "zellij", "dtach", "abduco", "ttyd", "gotty", "kitty", "wezterm-mux-server", "emacs", "nvim",
		"sshd", "sshd-session", "dropbear", "mosh-server", "su", "sudo", "doas", "runuser", "systemd", "cron", "crond", "atd",
	}, path.Base(program))
}

// checkProcess looks at one of the caller's own processes.
func (c *court) checkProcess(i int) {
	p := c.chain[i]
	if p.Exe == "" {
		c.doubt("%s has no executable: its first thread has ended", name(p))
	}
	if p.Tracer != 0 {
		c.doubt("%s is traced by process %d", name(p), p.Tracer)
	}
	if variable, ok := loads(p.Environ); ok && i == 0 {
		c.doubt("%s has %s set, and may run other code than its own", name(p), variable)
	}
	if Marked(p, c.chain[c.own-1]) {
		c.doubt("%s bears the mark that what agents start inherits", name(p))
	}
	c.checkNamespaces(i)
	c.checkParent(i)
	if c.admitted(p) {
		return
	}
	if slices.Contains(hosts(), p.Program()) || slices.Contains(hosts(), p.Comm) {
		c.doubt("%s hosts what others may type; this workstation does not admit it", name(p))
	} else if i > 0 && p.Terminal != c.chain[i-1].Terminal {
		c.doubt("%s has another terminal than what it started; this workstation does not admit it as a host of terminals", name(p))
	}
}

// checkNamespaces names what is foreign. Parents outside are seen from here all the same; but a pid namespace has an init of its own
// that adopts orphans, so that only who has seen them start knows their parents.
func (c *court) checkNamespaces(i int) {
	p := c.chain[i]
	if p.Namespaces.PID != c.rules.Own.PID && !slices.Contains(c.protections, provenance.Events) {
		c.doubt("%s is in a pid namespace of its own, where orphans lose their parents", name(p))
	}
	if p.Namespaces != c.rules.Own && i == c.own-1 {
		c.doubt("%s is in namespaces that are not the workstation's, and nothing of the caller's is outside", name(p))
	}
}

// foreign names the caller's processes that are in namespaces other than the workstation's, of whatever verdict: a person may work in a
// container, and who reads the record sees it.
func (c *court) foreign() (reasons []string) {
	own := c.rules.Own
	for i := 0; i < c.own; {
		at := c.chain[i].Namespaces
		var names, kinds []string
		for ; i < c.own && c.chain[i].Namespaces == at; i++ {
			names = append(names, name(c.chain[i]))
		}
		for _, kind := range []struct{ name, is, own string }{{"pid", at.PID, own.PID}, {"user", at.User, own.User}, {"mount", at.Mount, own.Mount}} {
			if kind.is != kind.own {
				kinds = append(kinds, kind.name)
			}
		}
		if len(kinds) > 0 {
			reasons = append(reasons, gate.Printable("not in the workstation's "+strings.Join(kinds, ", ")+" namespace: "+strings.Join(names, ", ")))
		}
	}
	return reasons
}

// checkParent compares the parent with the one that forked the process.
func (c *court) checkParent(i int) {
	p := c.chain[i]
	if r := c.remembered[i]; r != nil && r.Parent != 0 && r.Parent != p.Parent && !c.admitted(p) {
		c.doubt("%s was started by process %d, which is gone", name(p), r.Parent)
	}
}

// checkTerminals looks at the terminals of the caller's processes.
func (c *court) checkTerminals() {
	if c.chain[0].Terminal == 0 {
		c.doubt("%s has no terminal", name(c.chain[0]))
	}
	for _, p := range c.chain[:c.own] {
		if p.Terminal == 0 {
			continue
		}
		if agent, ran := c.memory.Terminal(p.Terminal, p.Session); ran {
			c.doubt("%s ran on this terminal: open another one", agent)
		}
	}
}

// Marked reports whether a process inherits the attestor's mark, and the topmost process of its user does not. The mark is a hard limit
// that is lower than it was: fork and exec hand it down, and only root can raise it again, setrlimit(2). So it shows on what an
// agent has made a child of somebody else, by clone(2) with CLONE_PARENT, of which the kernel tells nobody who really did it.
func Marked(p, topmost Process) bool { return p.Queue < topmost.Queue }
