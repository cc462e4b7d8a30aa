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
	docker  *os.File // the listening socket of the Docker daemon
	output  *os.File // of the inits
	said    *os.File // by the Docker daemon
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
	if err := b.listen(c.RunDir); err != nil {
		return nil, err
	}
	if b.output, err = b.log(c, FromInit); err != nil {
		return nil, err
	}
	if b.said, err = b.log(c, FromDocker); err != nil {
		return nil, err
	}
	return b, nil
}

// log makes a pipe whose lines are printed as from's.
func (b *builder) log(c Config, from string) (*os.File, error) {
	l, err := newLimitedLog(func(line string) { c.Print(from, line) })
	if err != nil {
		return nil, err
	}
	b.undo = append(b.undo, l.Close)
	return l.w, nil
}

// close gives everything back, the last first. The halves must have ended: the log waits for what they print.
func (b *builder) close() {
	for i := len(b.undo) - 1; i >= 0; i-- {
		_ = b.undo[i]()
	}
}
