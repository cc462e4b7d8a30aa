package vm_test

import (
	"fmt"
	"strings"
	"testing"

	"forkgate/tests/vm"
)

// privileged is docker run with all that it can be given.
const privileged = "--privileged --pid=host --net=host --ipc=host --cgroupns=host -v /:/host"

// groupOf prints where the host has the group of a fork's unit.
func groupOf(t *testing.T, v *vm.VM, ref string) string {
	t.Helper()
	return strings.TrimSpace(v.Must(t, "sh", "-ec", `
		guid=$(forkgate show --json "$0" | sed -n 's/.*"guid": "\([^"]*\)".*/\1/p')
		echo /sys/fs/cgroup/forkgate.slice/forkgate-pod@$guid.service`, ref))
}

// The files of a group's limits are the host's root's, whatever of the group is delegated (cgroups(7)).
func raisesNothing(t *testing.T, v *vm.VM) {
	const write = `for f in memory.max memory.high memory.swap.max pids.max cpu.max cpu.weight io.weight cgroup.freeze cgroup.kill cgroup.max.descendants; do
		[ ! -e $0/$f ] || { sh -c "echo max >$0/$f" 2>/dev/null || sh -c "echo 1 >$0/$f" 2>/dev/null; } && [ -e $0/$f ] && echo wrote $f; done; ls $0 | grep -c max`
	mounted := `mkdir -p /tmp/two && mount -t cgroup2 none /tmp/two && ` + strings.ReplaceAll(write, "$0", "/tmp/two")
	if text, _ := run(t, v, privileged, mounted); strings.Contains(text, "wrote") || strings.HasPrefix(text, "0") || strings.TrimSpace(text) == "" {
		t.Errorf("root in the fork wrote\n%s", text)
	}
	// The same words of the host's root, on a group of its own.
	control := v.Must(t, "sh", "-ec", "mkdir /sys/fs/cgroup/forkgate.slice/control; set -- /sys/fs/cgroup/forkgate.slice/control; sh -c '"+
		strings.ReplaceAll(write, "'", `'\''`)+"' $1; rmdir $1")
	if !strings.Contains(control, "wrote memory.max") || !strings.Contains(control, "wrote pids.max") {
		t.Errorf("the host's root could not either, this test proves nothing:\n%s", control)
	}
}

func seesItsOwnGroups(t *testing.T, v *vm.VM) {
	text, _ := run(t, v, privileged, `mkdir -p /tmp/two && mount -t cgroup2 none /tmp/two && find /tmp/two -name cgroup.procs | wc -l
		find /tmp/two /sys/fs/cgroup | grep -cE "forkgate|[.]slice|[.]service"; echo $$ >/tmp/two/../cgroup.procs; echo $$ >/sys/fs/cgroup/../cgroup.procs; cut -d: -f3 /proc/1/cgroup`)
	lines := strings.Split(text, "\n")
	if len(lines) < 3 || lines[0] == "0" || lines[1] != "0" || strings.Contains(text, "forkgate") {
		t.Errorf("root in the fork sees\n%s", text)
	}
	if seen := v.Must(t, "sh", "-c", "find /sys/fs/cgroup -name cgroup.procs | grep -c forkgate-pod@"); strings.TrimSpace(seen) == "0" {
		t.Error("the host's root sees no pods either, this test proves nothing")
	}
}

// What policy limits is in the files of the unit's group, takes effect on what is in there, is told, and holds nobody else up.
func limitsFork(t *testing.T, v *vm.VM) {
	v.Must(t, "ssh", "demo+tight@small", "true")
	group := groupOf(t, v, "demo:tight")
	files := v.Must(t, "sh", "-ec", `cd "$0"; for f in memory.max memory.swap.max pids.max cpu.max; do echo $f $(cat $f); done`, group)
	if want := "memory.max 268435456\nmemory.swap.max 0\npids.max 100\ncpu.max 50000 100000"; strings.TrimSpace(files) != want {
		t.Errorf("the fork's group has\n%s\nwant\n%s", files, want)
	}
	for _, c := range []struct {
		what, too  string
		much       int
		fits, hint string
	}{
		{"memory", "python3 -c 'bytearray(600 << 20)'; exit $?", 137, "python3 -c 'bytearray(100 << 20)'; exit $?", "reached its memory limit of 256MiB"},
		{"processes", many(300), 1, many(20), "reached its limit of 100 processes"},
	} {
		r := v.Run(t, "", "ssh", "demo+tight@small", c.too)
		if r.Code != c.much || !strings.Contains(string(r.Stderr), c.hint) {
			t.Errorf("%s, too much: exit code %d\n%s%s", c.what, r.Code, r.Stdout, r.Stderr)
		}
		for _, beside := range []struct{ where, command string }{{"demo+tight@small", c.fits}, {"demo+x@agent", c.too}} {
			if r := v.Run(t, "", "ssh", beside.where, beside.command); r.Code != 0 {
				t.Errorf("%s, %s: exit code %d, this test proves nothing\n%s%s", c.what, beside.where, r.Code, r.Stdout, r.Stderr)
			}
		}
	}
	if events := v.Must(t, "cat", group+"/memory.events"); !strings.Contains(events, "oom_kill ") || strings.Contains(events, "oom_kill 0\n") {
		t.Errorf("the kernel killed nothing for the fork's limit:\n%s", events)
	}
}

// many has so many processes at once, and fails if it cannot.
func many(n int) string {
	return fmt.Sprintf(`python3 -c 'import os, signal
children = []
try:
    while len(children) < %d:
        children.append(os.fork())
        if not children[-1]:
            signal.pause()
except OSError:
    pass
for c in children:
    os.kill(c, 9)
exit(len(children) < %[1]d)'`, n)
}

// Who has many of the host's terminals when those run out is ended, and nobody else.
func hoardsTerminals(t *testing.T, v *vm.VM) {
	v.Must(t, "ssh", "demo+hoard@small", "true")
	beside := groupOf(t, v, "demo:x")
	since := v.Must(t, "systemctl", "show", "-P", "InvocationID", unitOf(beside))
	had := v.Must(t, "cat", "/proc/sys/kernel/pty/max")
	v.Must(t, "sh", "-c", "echo 1124 >/proc/sys/kernel/pty/max") // 1024 are the host's: a hundred for pods
	defer v.Must(t, "sh", "-c", "echo "+strings.TrimSpace(had)+" >/proc/sys/kernel/pty/max")
	r := v.Run(t, "", "ssh", "demo+hoard@small", `python3 -c 'import os, time
held = [os.openpty() for _ in range(80)]
print(len(held), flush=True)
time.sleep(60)'`)
	if r.Code == 0 || string(r.Stdout) != "80\n" {
		t.Errorf("who hoards terminals: exit code %d\n%s%s", r.Code, r.Stdout, r.Stderr)
	}
	if said := v.Must(t, "sh", "-ec", "journalctl --sync; journalctl -o cat -u "+unitOf(groupOf(t, v, "demo:hoard"))); !strings.Contains(said, "terminals run out") {
		t.Errorf("the pod that hoards says\n%s", said)
	}
	if now := v.Must(t, "systemctl", "show", "-P", "InvocationID", unitOf(beside)); now != since {
		t.Error("another fork's pod was ended")
	}
}

func unitOf(group string) string { return group[strings.LastIndex(group, "/")+1:] }
