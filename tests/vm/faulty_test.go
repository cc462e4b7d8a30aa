package vm_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"forkgate/tests/need"
	"forkgate/tests/vm"
)

// pool is where the pool is mounted.
const pool = "/var/lib/forkgate/pool"

// disk swaps the table of the device that the pool lies on, under the mounted filesystem. --nolockfs: else the filesystem would write all that
// waits before. flakey has no time in which it is well, and a day in which it is not (Documentation/admin-guide/device-mapper/dm-flakey.rst).
const disk = `#!/bin/sh -e
flakey="flakey ` + poolDisk + ` 0 0 86400 1"
case $1 in
well) table="linear ` + poolDisk + ` 0" ;;
fails-writes) table="$flakey error_writes" ;;
drops-writes) table="$flakey drop_writes" ;;
fails) table=error ;;
stalls) exec dmsetup suspend --nolockfs faulty ;;
goes-on) exec dmsetup resume faulty ;;
esac
table="0 $(blockdev --getsz ` + poolDisk + `) $table"
if [ ! -e /dev/mapper/faulty ]; then exec dmsetup create faulty --table "$table"; fi
dmsetup load faulty --table "$table"
dmsetup suspend --nolockfs faulty
dmsetup resume faulty
`

// reaching lets forks out, so that they have links, and elements in the sets of rules.
const reaching = `sed -i 's/egress = \[\]/egress = ["*"]/' /etc/forkgate/policy.d/baseline.hcl; forkgate policy check; systemctl reload forkgate-warden`

// faulty is a host with a pool on a disk that can be made to fail.
type faulty struct{ *vm.VM }

func newFaulty(t *testing.T) faulty {
	f := faulty{boot(t)}
	f.Must(t, "sh", "-ec", "modprobe -a dm-mod dm-flakey; cat >/usr/local/bin/disk <<'SH'\n"+disk+"SH\nchmod 755 /usr/local/bin/disk; disk well")
	setUp(t, f.VM, "/dev/mapper/faulty")
	f.Must(t, "sh", "-ec", reaching)
	// Production has more than what is in a tree's own nodes.
	f.Must(t, "ssh", "demo@person", "head -c 16M /dev/urandom >big; mkdir dir; echo 1 >dir/1; sync")
	return f
}

// disk has the pool's disk fail in a way, or be well again.
func (f faulty) disk(t *testing.T, how string) {
	t.Helper()
	f.Must(t, "disk", how)
}

// said is what came of a command, and in how long.
type said struct {
	text string
	code int
	took time.Duration
}

func (s said) String() string {
	return fmt.Sprintf("exit code %d after %.1f s\n%s", s.code, s.took.Seconds(), s.text)
}

// patientlySaid is what was said but for that somebody has to wait, which depends on how slow this machine is.
func patientlySaid(text string) string {
	return regexp.MustCompile("(?m)^waiting for .*\n").ReplaceAllString(text, "")
}

// bounded is for what may fail, and may not hang. timeout(1) ends with 124 then.
var bounded = []string{"timeout", "--kill-after=5", "60"}

// try runs a command that may fail.
func (f faulty) try(t *testing.T, argv ...string) said {
	t.Helper()
	began := time.Now()
	r := f.Run(t, "", append(slices.Clone(bounded), argv...)...)
	s := said{patientlySaid(string(r.Stdout) + string(r.Stderr)), r.Code, time.Since(began)}
	if s.code == 124 || s.code == 137 {
		t.Errorf("%q hangs", argv)
	}
	return s
}

// begin runs a command beside others, and returns what reports whether it has ended, and how.
func (f faulty) begin(t *testing.T, argv ...string) (ended func() (said, bool)) {
	t.Helper()
	dir := f.Must(t, "mktemp", "-d")
	f.Must(t, append([]string{"sh", "-c", `dir=$0; { "$@" >$dir/text 2>&1; echo $? >$dir/part; mv $dir/part $dir/code; } >/dev/null 2>&1 &`, dir},
		append(slices.Clone(bounded), argv...)...)...)
	began := time.Now()
	return func() (s said, ok bool) {
		r := f.Run(t, "", "cat", dir+"/code", dir+"/text")
		code, text, _ := strings.Cut(string(r.Stdout), "\n")
		_, err := fmt.Sscan(code, &s.code)
		s.text, s.took = patientlySaid(text), time.Since(began)
		return s, r.Code == 0 && err == nil
	}
}

// end waits for what was begun.
func (f faulty) end(t *testing.T, what string, ended func() (said, bool)) (s said) {
	t.Helper()
	need.Eventually(t, what+" ends", func() (ok bool) { s, ok = ended(); return ok })
	return s
}

// stuck begins what the warden cannot end because the disk stalls, and returns when it waits for that, in the kernel.
func (f faulty) stuck(t *testing.T, argv ...string) (ended func() (said, bool)) {
	t.Helper()
	need.Eventually(t, "what is made ahead is there", func() bool { return len(f.lines(t, "ls "+pool+"/spare")) == 4 })
	f.disk(t, "stalls")
	ended = f.begin(t, argv...)
	const waits = `cat /proc/$(systemctl show -P MainPID forkgate-warden)/task/*/stack | grep -qE 'btrfs_commit_transaction|btrfs_wait_for_commit|wait_current_trans'`
	need.Eventually(t, "the warden waits for the disk", func() bool { return f.Run(t, "", "sh", "-c", waits).Code == 0 })
	return ended
}

// mend is what admin.md has an operator do once the disk is well.
func (f faulty) mend(t *testing.T) {
	t.Helper()
	began := time.Now()
	f.Must(t, "dmsetup", "resume", "faulty")
	f.Must(t, "systemctl", "stop", "forkgate.target", "var-lib-forkgate-pool.mount")
	if open := f.Must(t, "dmsetup", "info", "-c", "--noheadings", "-o", "open", "faulty"); open != "0" {
		t.Fatalf("%s have the disk open: what is mounted next is what was mounted before, and no start after a cut", open)
	}
	f.disk(t, "well")
	f.Must(t, "systemctl", "start", "var-lib-forkgate-pool.mount", "forkgate.target")
	t.Logf("%s: mended in %.1f s", f.Up(), time.Since(began).Seconds())
}

// warden is what the warden's journal has had since a moment, in the host's words for it.
func (f faulty) warden(t *testing.T, since string) string {
	t.Helper()
	return f.Must(t, "sh", "-ec", "journalctl --sync; journalctl --no-pager -o cat -u forkgate-warden --since @"+since)
}

func (f faulty) now(t *testing.T) string {
	t.Helper()
	return f.Must(t, "date", "+%s")
}

// guid is that of a fork.
func (f faulty) guid(t *testing.T, ref string) string {
	t.Helper()
	return f.Must(t, "sh", "-ec", `forkgate show --json "$0" | sed -n 's/.*"guid": "\([^"]*\)".*/\1/p'`, ref)
}

// pids are those of gate and warden.
func (f faulty) pids(t *testing.T) string {
	t.Helper()
	return f.Must(t, "systemctl", "show", "-P", "MainPID", "forkgate-gate", "forkgate-warden")
}

// saysSo checks that something was refused soon, by reason of the pool, and that nothing ran.
func (f faulty) saysSo(t *testing.T, what string, s said) {
	t.Helper()
	if s.code != 254 || !strings.HasPrefix(s.text, "forkgate: the pool takes no writes") {
		t.Errorf("%s: %v", what, s)
	}
	t.Logf("%s was refused in %.1f s", what, s.took.Seconds())
}

// takesNoWrites is the control: the host's root cannot write there either.
func (f faulty) takesNoWrites(t *testing.T) {
	t.Helper()
	if s := f.try(t, "sh", "-ec", "echo x >"+pool+"/control; sync -f "+pool+"/control"); s.code == 0 {
		t.Errorf("the host's root writes to the pool, this test proves nothing: %v", s)
	}
}

// needsNoPool checks that callers are answered who ask for nothing that lies in the pool.
func (f faulty) needsNoPool(t *testing.T) {
	t.Helper()
	for words, want := range map[string]string{"whoami": "agent, as an agent\n", "forks demo": "FORK ", "explain exec demo:old": "permit: "} {
		s := f.try(t, "ssh", "gate@agent", words)
		if s.code != 0 || !strings.HasPrefix(s.text, want) {
			t.Errorf("%s: %v", words, s)
		}
		t.Logf("%s took %.1f s", words, s.took.Seconds())
	}
}

// operatorSees checks that who looks at the host sees what is wrong with it.
func (f faulty) operatorSees(t *testing.T) {
	t.Helper()
	if s := f.try(t, "forkgate", "status"); s.code != 0 || !strings.Contains(s.text, "the pool takes no writes") {
		t.Errorf("status: %v", s)
	}
	if s := f.try(t, "forkgate", "doctor"); s.code != 1 || !strings.Contains(s.text, pool+" is read-only") {
		t.Errorf("doctor: %v", s)
	}
}

// anyStarted reports whether a journal has a session that ran in a fork.
func anyStarted(journal, ref string) bool {
	for line := range strings.Lines(journal) {
		if strings.HasPrefix(line, "started ") && strings.Contains(line, "ref="+ref+" ") {
			return true
		}
	}
	return false
}
