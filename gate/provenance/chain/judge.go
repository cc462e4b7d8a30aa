package chain

import (
	"fmt"
	"slices"
	"strings"

	"forkgate/gate"
	"forkgate/gate/provenance"
)

// Rules are what the workstation's operator has said, and what the attestor knows of the machine.
type Rules struct {
	Agents       []provenance.Agent
	Logins       []string // paths of the programs that root starts to log people in
	Hosts        []string // paths of programs that may stand in a person's chain: the operator vouches for what is typed into them
	Own          Namespaces
	Protections  []provenance.Protection // what has held since the attestor started
	WithoutWatch bool                    // the operator does without provenance.Events
}

// Memory is what is remembered of processes beyond what /proc shows.
type Memory interface {
	// Process tells of a process that was there when it was forked or last executed a program.
	Process(pid int, start uint64) (Remembered, bool)
	// Terminal tells of an agent that once ran in a session on a terminal.
	Terminal(terminal, session int) (agent string, ran bool)
}

// Remembered is what was seen of a process.
type Remembered struct {
	Agent   string   // it was this agent, or was started by it; empty: never
	Parent  int      // which forked it; 0 where that was not seen
	Environ []string // right after it last executed a program
	Exec    bool     // that was seen
	First   []string // right after it executed the program that made it an agent; nil where that was not seen
	Again   bool     // it has executed another since: what Environ holds is its own choice
	Late    bool     // somebody has looked at a program that it, or who forked it, executed only when it had had time to change what shows
}

// Judgement is what comes out.
type Judgement struct {
	Verdict     provenance.Verdict
	Agent       string   // the topmost one
	Reasons     []string // for people, most telling first
	Protections []provenance.Protection
	Override    *provenance.Override
}

// OverrideVariable is where a person says, before an agent is started, which repositories it may enter.
const OverrideVariable = provenance.OverrideVariable

// Judge says whose a chain is. The first process is the one that asks. A chain that could not be read to its end is not to be judged:
// Unread is its judgement.
func Judge(chain []Process, rules Rules, memory Memory) Judgement {
	if len(chain) == 0 {
		return Unread(fmt.Errorf("there is no process to judge"))
	}
	c := &court{chain: chain, rules: rules, memory: memory, protections: slices.Clone(rules.Protections)}
	c.findEnd()
	c.recall()
	c.findAgents()
	c.checkProtections()
	for i := range c.own {
		c.checkProcess(i)
	}
	c.checkTerminals()
	j := Judgement{Verdict: provenance.Unverified, Protections: c.protections, Override: c.override()}
	switch {
	case c.topmost >= 0:
		j.Verdict, j.Agent = provenance.ByAgent, c.agentOf(c.topmost)
		j.Reasons = append(c.agents, c.doubts...)
	case len(c.doubts) > 0:
		j.Reasons = c.doubts
	default:
		j.Verdict, j.Reasons = provenance.ByPerson, []string{c.good}
	}
	j.Reasons = append(j.Reasons, c.foreign()...)
	return j
}

// Unread is the judgement of a chain that could not be read.
func Unread(err error) Judgement {
	return Judgement{Reasons: []string{gate.Printable(err.Error())}}
}

// court holds what is found on the way to a judgement.
type court struct {
	chain       []Process
	rules       Rules
	memory      Memory
	protections []provenance.Protection

	own        int // processes at the start of the chain that are the caller's, below what vouches for them
	searched   int // processes among which agents are looked for: all of them where nothing vouches
	good       string
	remembered []*Remembered // by index in the chain; nil where a process is not known
	signs      [][]Sign
	topmost    int      // index of the topmost agent, -1 without one
	agents     []string // reasons to call it an agent's
	doubts     []string // reasons not to call it a person's
}

func (c *court) doubt(format string, args ...any) {
	if reason := gate.Printable(fmt.Sprintf(format, args...)); !slices.Contains(c.doubts, reason) {
		c.doubts = append(c.doubts, reason)
	}
}

// name is how reasons speak of a process.
func name(p Process) string { return fmt.Sprintf("process %d (%s)", p.PID, p.Comm) }

// findEnd looks for what vouches for the chain: the login, by which root let the caller in, or a host that the operator admits. Such a
// host may have let go of its own parents, if it was seen how it came to be.
func (c *court) findEnd() {
	uid := c.chain[0].UID()
	alien := slices.IndexFunc(c.chain, func(p Process) bool { return p.UIDs != [4]uint32{uid, uid, uid, uid} })
	c.own, c.searched = alien, len(c.chain)
	if alien < 0 {
		c.own = len(c.chain)
	}
	if alien > 0 && c.isLogin(c.chain[alien]) {
		c.searched = alien
		c.good = fmt.Sprintf("unbroken from %s to %s, without an agent", name(c.chain[0]), name(c.chain[alien]))
		return
	}
	for i := c.own - 1; i > 0 && slices.Contains(c.protections, provenance.Events); i-- {
		if p := c.chain[i]; c.admitted(p) {
			c.own, c.searched = i+1, i+1
			c.good = fmt.Sprintf("unbroken from %s to %s, which this workstation admits, without an agent", name(c.chain[0]), name(p))
			return
		}
	}
	c.noLogin(alien)
}

// isLogin trusts the path of a root's process, which nobody else can have chosen outside of namespaces.
func (c *court) isLogin(p Process) bool {
	return p.UIDs == [4]uint32{} && p.Namespaces == c.rules.Own && slices.Contains(c.rules.Logins, p.Exe)
}

// noLogin says why what stands above the caller's processes is no login.
func (c *court) noLogin(alien int) {
	top := c.chain[max(0, c.own-1)]
	if alien < 0 {
		c.doubt("the chain leads to no login: all of it is uid %d's", top.UID())
		return
	}
	switch p := c.chain[alien]; {
	case alien == 0:
		c.doubt("%s has several user ids", name(p))
	case p.PID == 1 && top.Comm == "systemd":
		c.doubt("%s was started by systemd --user, as terminals of GNOME are, and so could anything of uid %d be: "+
			"log in on a console, or under a session that starts its terminals itself", name(c.chain[max(0, c.own-2)]), top.UID())
	case p.PID == 1:
		c.doubt("%s has lost its parents: it leads to no login", name(top))
	case p.UIDs == [4]uint32{}:
		c.doubt("%s was started by %s, which is root's but no login", name(top), name(p))
	default:
		c.doubt("%s was started by %s of another user, uid %d", name(top), name(p), p.UID())
	}
}

// recall asks the memory about the caller's own processes.
func (c *court) recall() {
	c.remembered = make([]*Remembered, len(c.chain))
	unseen := -1
	for i, p := range c.chain[:c.searched] {
		r, ok := c.memory.Process(p.PID, p.Start)
		if ok {
			c.remembered[i] = &r
		}
		if i < c.own && (!ok || r.Parent == 0) {
			unseen = i
		}
	}
	if unseen >= 0 && slices.Contains(c.protections, provenance.Events) {
		c.doubt("%s is older than the attestor, which has not seen where it comes from: log in again", name(c.chain[unseen]))
		c.protections = slices.DeleteFunc(c.protections, func(p provenance.Protection) bool { return p == provenance.Events })
	}
}

// findAgents collects what gives agents away, by signs and by memory.
func (c *court) findAgents() {
	c.signs, c.topmost = make([][]Sign, len(c.chain)), -1
	for i, p := range c.chain[:c.searched] {
		c.signs[i] = Signs(c.rules.Agents, p)
		if r := c.remembered[i]; r != nil && r.Exec {
			then := p
			then.Environ = r.Environ
			c.signs[i] = append(c.signs[i], Signs(c.rules.Agents, then)...)
		}
		if s, ok := Strongest(c.signs[i]); ok {
			c.topmost = i
			c.agents = append(c.agents, fmt.Sprintf("%s has %s", name(p), s))
		} else if r := c.remembered[i]; r != nil && r.Agent != "" {
			c.topmost = i
			c.agents = append(c.agents, fmt.Sprintf("%s was %s once, or was started by it", name(p), r.Agent))
		}
	}
	slices.Reverse(c.agents) // the topmost first
	for i, reason := range c.agents {
		c.agents[i] = gate.Printable(reason)
	}
}

func (c *court) agentOf(i int) string {
	if s, ok := Strongest(c.signs[i]); ok {
		return s.Agent
	}
	return c.remembered[i].Agent
}

func (c *court) checkProtections() {
	for _, p := range provenance.Protections() {
		if slices.Contains(c.rules.Protections, p) || p == provenance.Events && c.rules.WithoutWatch {
			continue
		}
		switch p {
		case provenance.NoTIOCSTI:
			c.doubt("any process on a terminal can type into it here: set dev.tty.legacy_tiocsti=0 and restart the attestor")
		case provenance.NoPtrace:
			c.doubt("any process can rewrite another one here: set kernel.yama.ptrace_scope=1 and restart the attestor; a kernel without Yama has no such setting, and nobody is a person there")
		case provenance.Events:
			c.doubt("the kernel does not tell the attestor which processes start: it runs without CAP_NET_ADMIN or in a container")
		}
	}
}

// admitted reports whether the operator vouches for a host. Only in the workstation's own namespaces is a path what it seems.
func (c *court) admitted(p Process) bool {
	return p.Namespaces == c.rules.Own && slices.Contains(c.rules.Hosts, p.Exe)
}

// loads are the variables by which the dynamic linker runs code that is not the program's, ld.so(8).
func loads(environ []string) (string, bool) {
	for _, entry := range environ {
		if name, _, _ := strings.Cut(entry, "="); name == "LD_PRELOAD" || name == "LD_AUDIT" || name == "LD_LIBRARY_PATH" {
			return name, true
		}
	}
	return "", false
}
