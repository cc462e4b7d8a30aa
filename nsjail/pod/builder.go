package pod

import (
	"os"

	"forkgate/nsjail"
	"forkgate/nsjail/idmap"
)

// builder holds what both halves are built from.
type builder struct {
	spec    nsjail.Spec
	staging string // an empty directory of the host's
	groups  cgroups
	tool    *os.File // the inits' program
	ids     *os.File // user namespace for idmapped mounts
	control *os.File // the listening control socket
	output  *os.File // of the inits
	undo    []func() error
}

func newBuilder(c Config, spec nsjail.Spec) (_ *builder, err error) {
	b := &builder{spec: spec, staging: nsjail.Dir(c.RunDir, c.GUID) + "/root"}
	defer func() {
		if err != nil {
			b.close()
		}
	}()
	if b.groups, err = makeCgroups(int(spec.SubUID)); err != nil {
		return nil, err
	}
	b.undo = append(b.undo, b.groups.machine.Close, b.groups.sessions.Close)
	if b.tool, err = sealedCopy(c.Init); err != nil {
		return nil, err
	}
	b.undo = append(b.undo, b.tool.Close)
	if b.ids, err = idmap.Namespace(spec.SubUID); err != nil {
		return nil, err
	}
	b.undo = append(b.undo, b.ids.Close)
	if b.control, err = listen(c.RunDir, c.GUID); err != nil {
		return nil, err
	}
	b.undo = append(b.undo, b.control.Close)
	output, err := newLimitedLog(c.Log)
	if err != nil {
		return nil, err
	}
	b.output, b.undo = output.w, append(b.undo, output.Close)
	return b, nil
}

// close gives everything back, the last first. The halves must have ended: the log waits for what they print.
func (b *builder) close() {
	for i := len(b.undo) - 1; i >= 0; i-- {
		_ = b.undo[i]()
	}
}
