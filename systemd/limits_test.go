package systemd_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"forkgate/systemd"
)

func shown(t *testing.T, unit string) string {
	t.Helper()
	out, err := exec.Command("systemctl", "show", unit, "-p", "MemoryMax,MemorySwapMax,TasksMax,CPUQuotaPerSecUSec,IOWeight").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(strings.TrimSpace(string(out)), "\n", " ")
}

// limits are read back from systemd, and from the files in which the kernel has them: of one unit that runs, and of one that is
// started afterwards.
func limits(t *testing.T, u *systemd.Units) {
	const unit = "fg-up@limits.service"
	const set = "CPUQuotaPerSecUSec=1.500000s IOWeight=50 MemoryMax=67108864 MemorySwapMax=0 TasksMax=40"
	start := time.Now()
	if err := u.Limit(t.Context(), unit, systemd.Limits{Memory: 64 << 20, Tasks: 40, CPU: 150, IO: 50}); err != nil {
		t.Fatal(err)
	}
	t.Logf("limiting took %v", time.Since(start))
	for range 2 { // the limits outlive a start
		if err := u.Start(t.Context(), unit); err != nil {
			t.Fatal(err)
		}
		if got := shown(t, unit); got != set {
			t.Errorf("systemd has %q, want %q", got, set)
		}
		if got := enforced(t, unit); got != "67108864 40" {
			t.Errorf("the kernel has %q", got)
		}
		if usage, err := u.Usage(t.Context(), unit); err != nil || usage.Memory == 0 || usage.Tasks != 1 {
			t.Errorf("it uses %+v, %v", usage, err)
		}
		if err := u.Stop(t.Context(), unit); err != nil {
			t.Fatal(err)
		}
		if usage, err := u.Usage(t.Context(), unit); err != nil || usage != (systemd.Usage{}) {
			t.Errorf("stopped, it uses %+v, %v", usage, err)
		}
	}
	if err := u.Start(t.Context(), unit); err != nil {
		t.Fatal(err)
	}
	if err := u.Limit(t.Context(), unit, systemd.Limits{Tasks: 30}); err != nil {
		t.Fatal(err)
	}
	const less = "CPUQuotaPerSecUSec=infinity IOWeight=[not set] MemoryMax=infinity MemorySwapMax=infinity TasksMax=30"
	if got := shown(t, unit); got != less {
		t.Errorf("while it runs: %q, want %q", got, less)
	}
	if got := enforced(t, unit); !strings.HasSuffix(got, " 30") {
		t.Errorf("while it runs the kernel has %q", got)
	}
	if err := u.Stop(t.Context(), unit); err != nil {
		t.Fatal(err)
	}
	for range 2 { // there may be nothing to revert
		if err := u.Revert(t.Context(), unit); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat("/run/systemd/system.control/" + unit + ".d"); err == nil {
		t.Error("files are left")
	}
	if err := u.Limit(t.Context(), "fg-up@limits.service", systemd.Limits{IO: 10001}); err == nil {
		t.Error("a weight that there is not was set")
	}
}

// enforced reads memory and tasks where the kernel has them, in cgroups of either version.
func enforced(t *testing.T, unit string) string {
	t.Helper()
	out, err := exec.Command("sh", "-ec", `
		at() { for f in "$@"; do if test -e "$f"; then cat "$f"; return; fi; done; }
		group=$(systemctl show -P ControlGroup "$0")
		echo "$(at /sys/fs/cgroup/memory$group/memory.limit_in_bytes /sys/fs/cgroup$group/memory.max) $(at /sys/fs/cgroup/pids$group/pids.max /sys/fs/cgroup$group/pids.max)"`, unit).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}
