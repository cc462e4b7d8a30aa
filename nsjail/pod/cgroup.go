package pod

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"forkgate/nsjail"
	"forkgate/nsjail/cgroup"
	"forkgate/nsjail/mount"
)

// cgroups are the leaves of the pod's unit in the cgroup v2 hierarchy. Those of the halves belong to the pod's root as far as
// delegation goes (cgroups(7)): it may make groups below and move its processes there, and change no limit of its own.
type cgroups struct {
	machine, sessions         *os.File
	machinePath, sessionsPath string
}

// makeCgroups makes the leaves of the halves below the unit's own group. Their inits are born into them: moving a process that
// lives costs some 10 ms, in which the kernel waits for every CPU.
func makeCgroups(owner int) (cgroups, error) {
	unit, err := cgroup.Own()
	if err != nil {
		return cgroups{}, err
	}
	if unit, err = stepAside(unit); err != nil {
		return cgroups{}, err
	}
	g := cgroups{machinePath: filepath.Join(unit, nsjail.MachineGroup), sessionsPath: filepath.Join(unit, nsjail.SessionsGroup)}
	if g.machine, err = delegated(g.machinePath, owner); err != nil {
		return cgroups{}, err
	}
	if g.sessions, err = delegated(g.sessionsPath, owner); err != nil {
		g.machine.Close()
		return cgroups{}, err
	}
	return g, nil
}

// supervisorGroup is the supervisor's own, as the unit's DelegateSubgroup= says.
const supervisorGroup = "supervisor"

// stepAside returns the unit's group, and sees to it that the halves can have limits there: a group whose controllers are enabled for
// groups below has no process itself (cgroups(7)). systemd starts the supervisor in a group of its own from version 254 on; before,
// it has to move. Where the host has no controllers in this hierarchy there is nothing to enable.
func stepAside(own string) (unit string, err error) {
	unit = own
	if filepath.Base(own) == supervisorGroup {
		unit = filepath.Dir(own)
	}
	controllers, err := cgroup.Controllers(unit)
	if err != nil || len(controllers) == 0 {
		return unit, err
	}
	if unit == own {
		if err := cgroup.Enter(filepath.Join(unit, supervisorGroup)); err != nil {
			return "", err
		}
	}
	return unit, cgroup.Enable(unit, controllers)
}

// bounds are of the groups that a half may have below its own. The kernel has numbers for 65,535 groups in all that limit memory
// (MEM_CGROUP_ID_MAX, include/linux/memcontrol.h), and ways through a deep tree are long for everybody. A container is two or three, at a depth of
// three; one with systemd in it some dozens.
var bounds = map[string]string{"cgroup.max.descendants": "1024", "cgroup.max.depth": "32"}

// delegated makes a group for a half and gives it to the pod's root. The descriptor is of a detached clone: from a plain one
// the pod would reach the host's files by "..".
func delegated(path string, owner int) (*os.File, error) {
	if err := os.Mkdir(path, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("cannot make a cgroup: %w", err)
	}
	for name, most := range bounds { // these files stay the host's root's
		if err := os.WriteFile(filepath.Join(path, name), []byte(most), 0); err != nil {
			return nil, fmt.Errorf("cannot bound a cgroup: %w", err)
		}
	}
	for _, name := range []string{"", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"} {
		if err := os.Chown(filepath.Join(path, name), owner, owner); err != nil {
			return nil, fmt.Errorf("cannot delegate a cgroup: %w", err)
		}
	}
	dir, err := os.OpenFile(path, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot delegate a cgroup: %w", err)
	}
	defer dir.Close()
	return mount.Clone(dir, "", mount.NoSUID|mount.NoDev|mount.NoExec)
}
