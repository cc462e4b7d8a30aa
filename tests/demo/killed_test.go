package demo

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"forkgate/tests/need"
)

// Whoever dies, and whenever, nothing stays.
func TestDemoKilled(t *testing.T) {
	need.Systemd(t)
	t.Parallel()
	need.Tools(t, "make")
	checkout := clone(t)
	for _, victim := range []string{"keep", "up"} {
		for _, during := range []string{"packages that", "forkgate, from", "data:", "forkgate rootfs import"} {
			t.Run(victim+" during "+during, func(t *testing.T) {
				up := exec.Command(filepath.Join(checkout, "packaging/demo/demo"), "up")
				up.Env = environment()
				var out bytes.Buffer
				up.Stdout, up.Stderr = &out, &out
				if err := up.Start(); err != nil {
					t.Fatal(err)
				}
				awaitStep(t, checkout, during, &out)
				pid := up.Process.Pid
				if victim == "keep" {
					text, err := os.ReadFile(filepath.Join(checkout, ".demo/keeper"))
					if err != nil {
						t.Fatal(err)
					}
					if pid, err = strconv.Atoi(strings.TrimSpace(string(text))); err != nil {
						t.Fatal(err)
					}
				}
				if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
					t.Fatal(err)
				}
				if err := up.Wait(); err == nil {
					t.Errorf("demo up was killed, and ended well:\n%s", &out)
				}
				nothingLeft(t, checkout)
			})
		}
	}
}

// awaitStep waits until the demo is at a step.
func awaitStep(t *testing.T, checkout, step string, out *bytes.Buffer) {
	t.Helper()
	var steps []byte
	for end := time.Now().Add(10 * time.Minute); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		steps, _ = os.ReadFile(filepath.Join(checkout, ".demo/steps"))
		if bytes.Contains(steps, []byte(" "+step)) {
			return
		}
	}
	log, _ := os.ReadFile(filepath.Join(checkout, ".demo/log"))
	t.Fatalf("the demo does not come to %q; it came to\n%s\nand says\n%s", step, steps, log)
}

// nothingLeft waits for a moment, as it is others than the killed who clean up, and then names what is still there.
func nothingLeft(t *testing.T, checkout string) {
	t.Helper()
	var left []string
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if left = leftOver(t, checkout); len(left) == 0 {
			return
		}
	}
	t.Errorf("after the demo there is still:\n%s", strings.Join(left, "\n"))
}

func leftOver(t *testing.T, checkout string) (left []string) {
	t.Helper()
	if entries, err := os.ReadDir(filepath.Join(checkout, ".demo")); err == nil {
		left = append(left, fmt.Sprintf(".demo with %q", entries))
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	loops, err := filepath.Glob("/sys/block/loop*/loop/backing_file")
	if err != nil {
		t.Fatal(err)
	}
	for _, loop := range loops {
		if file, _ := os.ReadFile(loop); bytes.Contains(file, []byte(checkout)) {
			left = append(left, loop)
		}
	}
	if bytes.Contains(mounts, []byte(checkout)) {
		left = append(left, "a mount")
	}
	name, err := exec.Command("bash", "-c", `sha256sum <<<"$0" | cut -c1-12`, checkout).Output()
	if err != nil {
		t.Fatal(err)
	}
	machine := "demo-" + strings.TrimSpace(string(name))
	if _, err := os.Stat("/run/forkgate-machines/" + machine); err == nil {
		left = append(left, "the machine "+machine)
	}
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range lines {
		if text, _ := os.ReadFile(line); bytes.Contains(text, []byte(checkout+"/")) || bytes.Contains(text, []byte(machine)) {
			left = append(left, line+": "+string(bytes.ReplaceAll(text, []byte{0}, []byte(" "))))
		}
	}
	return left
}
