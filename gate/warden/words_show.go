package warden

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"forkgate/fork"
	"forkgate/gate"
	"forkgate/systemd"
)

// details are what show says of a tree beyond what lists say.
type details struct {
	Running   bool        `json:"running"` // whether its pod runs
	Limits    gate.Limits `json:"limits"`
	Used      usage       `json:"used"`
	Publish   []string    `json:"publish,omitempty"`       // of a repository
	Autostart bool        `json:"autostart,omitempty"`     // of a repository
	Why       string      `json:"unsettled_why,omitempty"` // of a fork, for the operator: it may quote what is secret
}

// usage is what is used of the limits.
type usage struct {
	Quota  *uint64 `json:"quota,omitempty"`  // bytes; of a fork
	Memory *uint64 `json:"memory,omitempty"` // bytes; of a pod that runs
	Pids   *uint64 `json:"pids,omitempty"`
}

// show shows one repository or fork.
func show(ctx context.Context, w *word) (page, error) {
	tree, err := w.tree(ctx, w.args[0])
	if err != nil {
		return page{}, err
	}
	v, _ := w.view(tree)
	if v.details, err = w.details(ctx, tree); err != nil {
		return page{}, err
	}
	return page{data: v, text: func(out io.Writer) { columns(out, v.rows()...) }}, nil
}

func (w *word) details(ctx context.Context, t fork.Tree) (*details, error) {
	running, err := w.pods.Running(ctx)
	if err != nil {
		return nil, err
	}
	d := &details{Running: slices.Contains(running, t.GUID), Limits: w.rules.limitsOf(t)}
	if w.asking.Door == operatorDoor {
		d.Why = t.Unsettled
	}
	if t.Grand {
		repository := w.rules.Repository(t.Repo)
		d.Publish, d.Autostart = repository.Publish, repository.Autostart
	} else {
		used, err := w.trees.Used(t)
		if err != nil {
			// A fork from before there were quotas: all else about it is worth showing.
			w.journal.Warn("cannot show what is used of the quota", "ref", t.Ref(), "error", err)
		} else {
			d.Used.Quota = &used
		}
	}
	if d.Running {
		unit, err := systemd.Instance(podUnit, t.GUID)
		if err != nil {
			return nil, err
		}
		used, err := w.pods.units.Usage(ctx, unit)
		if err != nil {
			return nil, err
		}
		d.Used.Memory, d.Used.Pids = &used.Memory, &used.Tasks
	}
	return d, nil
}

// rows are the lines of show.
func (v treeView) rows() [][]string {
	rows := [][]string{{"ref", v.Ref}, {"kind", v.Kind}, {"guid", v.GUID}}
	add := func(name, value string) {
		if value != "" {
			rows = append(rows, []string{name, value})
		}
	}
	add("owner", v.Owner)
	add("parent", v.Parent)
	if v.Forks != nil {
		add("forks", strconv.Itoa(*v.Forks))
	}
	add("made", v.Made.Format(time.RFC3339))
	add("expires", v.expires())
	if !v.Frozen.IsZero() {
		add("frozen", "since "+v.Frozen.Format(time.RFC3339))
	}
	if v.Unsettled {
		add("unsettled", cmp.Or(gate.Printable(v.Why), "yes"))
	}
	add("network id", strconv.Itoa(v.NetworkID))
	add("working dir", v.WorkingDir)
	add("running", strconv.FormatBool(v.Running))
	add("quota", of(v.Used.Quota, v.Limits.Quota, about, gate.FormatSize))
	add("memory", of(v.Used.Memory, v.Limits.Memory, about, gate.FormatSize))
	add("pids", of(v.Used.Pids, v.Limits.Pids, decimal, decimal))
	add("cpu", of(nil, v.Limits.CPU, nil, gate.FormatCPU))
	add("io weight", of(nil, v.Limits.IO, nil, decimal))
	add("egress", gate.FormatEgress(v.Limits.Egress))
	if v.Kind == "grand" {
		add("publish", gate.FormatEgress(v.Publish))
		add("autostart", strconv.FormatBool(v.Autostart))
	}
	return rows
}

// of says how much is used of how much. What is not bounded, and not known to be used, says nothing.
func of(used *uint64, limit uint64, show, bound func(uint64) string) string {
	switch {
	case used != nil && limit > 0:
		return show(*used) + " of " + bound(limit)
	case used != nil:
		return show(*used) + ", not limited"
	case limit > 0:
		return bound(limit)
	}
	return ""
}

// about is a number of bytes to a person.
func about(bytes uint64) string { return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20)) }

func decimal(n uint64) string { return strconv.FormatUint(n, 10) }
