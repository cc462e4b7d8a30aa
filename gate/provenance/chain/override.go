package chain

import (
	"slices"
	"strings"

	"forkgate/gate/provenance"
)

// override finds the wish to have an agent in named repositories. It counts if it stood in the environment in which the topmost agent
// was started: whoever set it there is above all agents. In a shell that exported it, it does not show; in what an agent starts
// itself, it counts for nothing.
func (c *court) override() *provenance.Override {
	if c.topmost < 0 {
		return nil
	}
	then, now := c.values(c.topmost)
	if len(then) == 0 && len(now) == 0 {
		return c.setBelow()
	}
	o := &provenance.Override{PID: c.chain[c.topmost].PID, Start: c.chain[c.topmost].Start, Value: slices.Concat(then, now)[0]}
	switch _, err := provenance.OverrideNames(o.Value); {
	case c.choseItself(c.topmost, now):
		o.Refused = provenance.SetByAgent
	case !slices.Equal(then, now): // somebody has rewritten it
		o.Refused = provenance.Unprotected
	case err != nil || len(then) > 1:
		o.Refused = provenance.Malformed
	case !c.agentItself(c.topmost):
		o.Refused = provenance.Unnamed
	case !c.seenAbove(c.topmost):
		o.Refused = provenance.Unseen
	default:
		if o.Protection = c.protectionOf(c.topmost); o.Protection == "" {
			o.Refused = provenance.Unprotected
		}
	}
	return o
}

// choseItself reports whether an agent has given itself what it has now: a process that executes another program, or the same again, keeps
// its pid and its parent, and says itself with which environment. A script that executes what does the work has the same value in both.
func (c *court) choseItself(i int, now []string) bool {
	r := c.remembered[i]
	return r != nil && r.Again && !slices.Equal(valuesOf(r.First), now)
}

// setBelow finds an override that an agent has set for what it started.
func (c *court) setBelow() *provenance.Override {
	for i := c.topmost - 1; i >= 0; i-- {
		if then, now := c.values(i); len(then)+len(now) > 0 {
			return &provenance.Override{Value: slices.Concat(then, now)[0], PID: c.chain[i].PID, Start: c.chain[i].Start, Refused: provenance.SetByAgent}
		}
	}
	return nil
}

// values are those of the override in a process's environment, when it was started and now. Where its start was not seen they are
// the same.
func (c *court) values(i int) (then, now []string) {
	now = valuesOf(c.chain[i].Environ)
	if r := c.remembered[i]; r != nil && r.Exec {
		return valuesOf(r.Environ), now
	}
	return now, now
}

func valuesOf(environ []string) (values []string) {
	for _, entry := range environ {
		if value, ok := strings.CutPrefix(entry, OverrideVariable+"="); ok {
			values = append(values, value)
		}
	}
	return values
}

// agentItself reports whether a process is an agent by what it is. A variable's mark on it would mean that an agent has started it,
// one that this machine does not know by its name.
func (c *court) agentItself(i int) bool {
	itself := false
	for _, s := range c.signs[i] {
		if !s.Program {
			return false
		}
		itself = true
	}
	return itself
}

// seenAbove reports whether what stands above the agent is a person's, and the terminal their own. That the agent itself runs on that
// terminal now is no fault.
func (c *court) seenAbove(agent int) bool {
	if agent+1 >= c.own || c.good == "" {
		return false
	}
	above := c.chain[agent+1:]
	upper := &court{chain: above, rules: c.rules, memory: noTerminals{c.memory}, protections: c.rules.Protections}
	upper.findEnd()
	upper.recall()
	upper.findAgents()
	for i := range upper.own {
		upper.checkProcess(i)
	}
	upper.checkTerminals()
	if r := c.remembered[agent]; r != nil && r.Parent != 0 && r.Parent != c.chain[agent].Parent {
		return false
	}
	return upper.topmost < 0 && len(upper.doubts) == 0 && c.chain[agent].Terminal == above[0].Terminal &&
		c.chain[agent].Namespaces == c.rules.Own
}

// protectionOf says what has kept the environment of a process as it was, and the shell above it from being typed into. That it was
// seen right after it started shows what it was started with; where that was not seen, it may have given itself anything since.
func (c *court) protectionOf(i int) provenance.Protection {
	has := func(p provenance.Protection) bool { return slices.Contains(c.protections, p) }
	r := c.remembered[i]
	switch {
	case !has(provenance.NoTIOCSTI) || !has(provenance.Events) || r == nil || !r.Exec || r.Late:
		return ""
	case has(provenance.NoPtrace):
		return provenance.NoPtrace
	}
	return provenance.Events
}

// noTerminals is a memory that has forgotten which terminals agents ran on.
type noTerminals struct{ Memory }

func (noTerminals) Terminal(int, int) (string, bool) { return "", false }
