package inside

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	seccomp "github.com/elastic/go-seccomp-bpf"
	"golang.org/x/sys/unix"

	"forkgate/tests/need"
)

func TestFiltersAssemble(t *testing.T) {
	for name, f := range map[string]filter{"machine": machineFilter(), "session": sessionFilter()} {
		program, err := f.assemble()
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if len(program) < 10 || len(program) > 4096 { // BPF_MAXINSNS
			t.Errorf("%s: %d instructions", name, len(program))
		}
	}
}

// TestMain lets the test binary put a filter on itself and become the attacker.
func TestMain(m *testing.M) {
	if which := os.Getenv("TEST_FILTER"); which != "" {
		if err := confinedAttacker(which); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

func confinedAttacker(which string) error {
	runtime.LockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	load := map[string]func() error{
		"none":    func() error { return nil },
		"library": loadWithLibrary,
		"session": func() error {
			if err := loadFilter(machineFilter()); err != nil {
				return err
			}
			return loadFilter(sessionFilter())
		},
	}
	if err := load[which](); err != nil {
		return err
	}
	return unix.Exec(os.Args[1], os.Args[1:], nil)
}

// loadWithLibrary is the control: the same denials, left to the library alone.
func loadWithLibrary() error {
	return seccomp.LoadFilter(seccomp.Filter{Policy: seccomp.Policy{
		DefaultAction: seccomp.ActionAllow,
		Syscalls: []seccomp.SyscallGroup{{
			Action: seccomp.ActionErrno, Names: []string{"add_key"},
			NamesWithCondtions: []seccomp.NameWithConditions{{Name: "socket", Conditions: seccomp.ArgumentConditions{
				{Argument: 0, Operation: seccomp.Equal, Value: unix.AF_ALG},
			}}},
		}},
	}})
}

// An attacker comes through another entry of the kernel, or with an argument that looks different and means the same.
func TestFilterCannotBeEvaded(t *testing.T) {
	need.Tools(t, "gcc")
	evade := filepath.Join(t.TempDir(), "evade")
	if out, err := exec.Command("gcc", "-O1", "-o", evade, "testdata/evade.c").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	const noEntry = "no entry" // some virtual machines have no way in by int 0x80: there is nothing to evade by it then
	attack := func(filter, how string) string {
		cmd := exec.Command("/proc/self/exe", evade, how)
		cmd.Env = []string{"TEST_FILTER=" + filter}
		out, err := cmd.CombinedOutput()
		if err != nil && cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() == unix.SIGSEGV {
			return noEntry
		}
		if err != nil {
			t.Fatalf("%s, %s: %v\n%s", filter, how, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	const (
		denied = "1"    // EPERM
		absent = "38"   // ENOSYS
		ran    = "14"   // EFAULT: the kernel looked at the arguments
		family = "0 97" // success, or EAFNOSUPPORT where the kernel has no AF_ALG: it looked
	)
	for _, row := range []struct{ filter, how, want string }{
		{"none", "plain", ran}, {"none", "int80", ran}, {"none", "wide", family}, // controls: each way works
		{"library", "plain", denied}, {"library", "int80", ran}, {"library", "wide", family}, // and past a plain list
		{"session", "plain", denied}, {"session", "int80", absent}, {"session", "x32", absent}, {"session", "wide", denied},
	} {
		if row.how == "int80" && attack("none", "int80") == noEntry {
			row.want = noEntry
		}
		if got := attack(row.filter, row.how); got != row.want && !slices.Contains(strings.Fields(row.want), got) {
			t.Errorf("filter %s, attack %s: error %s, not %s", row.filter, row.how, got, row.want)
		}
	}
}
