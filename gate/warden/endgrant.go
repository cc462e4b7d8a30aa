package warden

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"forkgate/gate"
	"forkgate/gate/grants"
	"forkgate/nsjail/docker"
)

const (
	// dyingSessions is how long sessions may take to die; what has not by then is tried again.
	dyingSessions = 10 * time.Second
	// stopping is how long the containers of a grant may take to stop, all together.
	stopping = time.Minute
)

// errStarting says that a session is on its way into its pod, where it cannot be found yet.
var errStarting = errors.New("a session of it is being started")

// keep ends each grant whose time is over, or whose sessions are, until ctx ends. A grant that takes long to end holds up no other.
func (g *granter) keep(ctx context.Context) {
	var ends sync.WaitGroup
	defer ends.Wait()
	for pause(ctx, time.Second) {
		g.look(ctx, func(end func()) { ends.Go(end) })
	}
}

// settle does once what keep does, and waits for it: after whatever ended the last warden, before anybody is let in.
func (g *granter) settle(ctx context.Context) {
	g.look(ctx, func(end func()) { end() })
}

// look finds the grants that are to be ended, and hands what ends each to carry out.
func (g *granter) look(ctx context.Context, carryOut func(end func())) {
	for _, grant := range g.book.Grants() {
		why, err := g.due(grant)
		if err != nil {
			g.journal.Error("cannot look after a grant", "grant", grant.ID, "error", err)
		}
		if why == "" {
			continue
		}
		release, ok := g.claim(grant.ID)
		if !ok {
			continue // it is being ended
		}
		carryOut(func() {
			defer release()
			if _, err := g.finish(ctx, grant.ID, why); err != nil && !errors.Is(err, errStarting) {
				g.journal.Error("cannot end a grant, and will try again", "grant", grant.ID, "error", err)
			}
		})
	}
}

// claim has one alone end a grant at a time.
func (g *granter) claim(id string) (release func(), ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ending[id] {
		return nil, false
	}
	g.ending[id] = true
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(g.ending, id)
	}, true
}

// revoke ends a grant now, whether or not who asked stays to see it. A session that is on its way into its pod is waited for.
func (g *granter) revoke(ctx context.Context, id, why string) (docker.Inventory, error) {
	if err := g.book.End(id, why); err != nil { // from here on it ends, if not by us then by keep
		return docker.Inventory{}, err
	}
	for {
		release, ok := g.claim(id)
		err := errStarting
		var made docker.Inventory
		if ok {
			made, err = g.finish(ctx, id, why)
			release()
		}
		if !errors.Is(err, errStarting) {
			return made, err
		}
		if !pause(ctx, time.Second/10) {
			return made, context.Cause(ctx)
		}
		if _, there := g.book.Grant(id); !there {
			return made, nil
		}
	}
}

// due notes which of a grant's sessions have ended, as the kernel says, and says why the grant is to be ended now.
func (g *granter) due(grant grants.Grant) (why string, err error) {
	for _, session := range grant.Living() {
		if g.book.Starting(session) {
			continue
		}
		lives, failed := g.lives(grant.GUID, session)
		if failed == nil && !lives {
			failed = g.book.Over(grant.ID, session)
		}
		err = errors.Join(err, failed)
	}
	if now, ok := g.book.Grant(grant.ID); ok {
		why = now.Due(g.now())
	}
	return why, err
}

// finish ends a grant: first nothing opens by it any more, then its sessions die, then what was made under it is listed and, if policy
// says so, stopped; at last it is struck out. Wherever that breaks off it is begun again. It returns what was made.
func (g *granter) finish(ctx context.Context, id, why string) (made docker.Inventory, err error) {
	if err := g.book.End(id, why); err != nil {
		return made, err
	}
	grant, ok := g.book.Grant(id)
	if !ok {
		return made, nil
	}
	if err := g.endSessions(ctx, grant); err != nil {
		return made, err
	}
	made, lines := g.leftovers(ctx, grant)
	for _, line := range lines {
		if err := g.log.Grant("", g.about(grant), line); err != nil {
			return made, err
		}
	}
	return made, g.book.Remove(id)
}

// endSessions kills what lives of a grant's sessions, and returns once nothing does.
func (g *granter) endSessions(ctx context.Context, grant grants.Grant) error {
	living := grant.Living()
	if slices.ContainsFunc(living, g.book.Starting) {
		return errStarting
	}
	if err := g.log.Grant("", g.about(grant), fmt.Sprintf("ends: %s; sessions to be ended: %s", grant.Ending, named(living))); err != nil {
		g.journal.Error("the end of a grant is not in the audit log", "grant", grant.ID, "error", err) // and it ends nonetheless
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), dyingSessions)
	defer cancel()
	for _, session := range living {
		why := fmt.Sprintf("grant %s has ended, and this session with it: %s", grant.ID, grant.Ending)
		g.why(session, why)
		g.audience.tellOne(session, why)
		if err := errors.Join(g.end(ctx, grant.GUID, session), g.book.Over(grant.ID, session)); err != nil {
			return err
		}
	}
	return nil
}

// leftovers lists what the pod's Docker daemon has that it did not have before the grant, and stops its containers if policy says so.
// Others may have made some of that: Docker does not say who did. lines is that for the record.
func (g *granter) leftovers(ctx context.Context, grant grants.Grant) (made docker.Inventory, lines []string) {
	running, err := g.running(ctx)
	if err == nil && !slices.Contains(running, grant.GUID) {
		return made, []string{"its pod does not run: no container does"}
	}
	var before docker.Inventory
	switch {
	case err != nil:
	case grant.Before == nil:
		err = errors.New("it is not known what was there before")
	default:
		err = json.Unmarshal(grant.Before, &before)
	}
	if err == nil {
		listing, cancel := context.WithTimeout(context.WithoutCancel(ctx), docker.Patience)
		defer cancel()
		made, err = g.containers(grant.GUID).List(listing)
	}
	if err != nil {
		return docker.Inventory{}, []string{"what it leaves behind cannot be listed: " + err.Error()}
	}
	made = made.Since(before)
	lines = []string{"made meanwhile: containers " + things(made.Containers) + "; images " + things(made.Images) + "; volumes " + things(made.Volumes)}
	if grant.Stop {
		lines = append(lines, g.stopAll(ctx, grant.GUID, made.Containers)...)
	}
	return made, lines
}

// stopAll has a pod's Docker daemon stop those that run, and notes which have stopped.
func (g *granter) stopAll(ctx context.Context, guid string, all []docker.Thing) (lines []string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopping)
	defer cancel()
	for i, c := range all {
		if !c.Running {
			continue
		}
		if err := g.containers(guid).Stop(ctx, c.ID); err != nil {
			lines = append(lines, "container "+thing(c)+" is not stopped: "+err.Error())
			continue
		}
		all[i].Running = false
		lines = append(lines, "container "+thing(c)+" is stopped")
	}
	return lines
}

// about is a grant as the record speaks of it.
func (g *granter) about(grant grants.Grant) gate.Request {
	r := gate.Request{Grant: grant.ID, Asker: grant.Principal, Target: gate.Target{GUID: grant.GUID}}
	if tree, ok := g.trees.Get(grant.GUID); ok {
		r.Target = forks{trees: g.trees}.target(tree)
	}
	r.Caller = gate.Caller{Principal: grant.Principal, Kind: grant.Kind, Agent: grant.Agent}
	return r
}

func named(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, " ")
}

// things names a few of them: the others are counted.
func things(all []docker.Thing) string {
	const most = 20
	var names []string
	for _, t := range all[:min(len(all), most)] {
		names = append(names, thing(t))
	}
	if more := len(all) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return named(names)
}

func thing(t docker.Thing) string {
	if t.Name == "" {
		return gate.Printable(t.ID)
	}
	return gate.Printable(t.Name)
}
