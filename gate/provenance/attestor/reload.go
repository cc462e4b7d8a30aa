package attestor

import (
	"context"
	"reflect"

	"forkgate/gate/provenance"
	"forkgate/gate/provenance/chain"
)

// inForce is what the operator says, as it was loaded last.
type inForce struct {
	config Config
	rules  chain.Rules // without the protections, which are the kernel's to say
}

// use puts a configuration in force.
func (s *server) use(c Config, agents []provenance.Agent) {
	s.in.Store(&inForce{config: c, rules: chain.Rules{
		Agents: agents, Logins: c.Logins, Hosts: c.Hosts, Own: s.own, WithoutWatch: c.Events == "optional",
	}})
	for _, line := range c.Warnings() {
		s.log.Warn(line)
	}
}

// heed loads the configuration again whenever it is asked to, until ctx ends. One that does not load leaves the last good one in force.
func (s *server) heed(ctx context.Context, o Options) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-o.Reload: // nil waits for ever
		}
		config, agents, err := o.Load()
		if err != nil {
			s.log.Error("the configuration does not load, the last good one stays", "error", err)
			continue
		}
		s.use(config, agents)
		anew := s.watch.learn(agents)
		s.log.Info("the configuration is loaded again", "gates", len(config.Gates), "agents", len(agents), "persons log in again", anew)
	}
}

// learn takes other agents in, and reports whether they are others than before. Nobody has watched for these until now: what a process
// was before is as unknown as it is when the daemon starts. What was an agent stays one.
func (w *watch) learn(agents []provenance.Agent) (anew bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if reflect.DeepEqual(agents, w.agents) {
		return false
	}
	w.agents, w.names = agents, variables(agents)
	w.drain() // what has happened until now is older than the look that follows
	w.scan()
	return true
}

// variables are those that decide something.
func variables(agents []provenance.Agent) map[string]bool {
	names := map[string]bool{chain.OverrideVariable: true}
	for _, a := range agents {
		for _, m := range a.Env {
			names[m.Name] = true
		}
	}
	return names
}
