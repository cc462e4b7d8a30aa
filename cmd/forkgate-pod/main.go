// Command forkgate-pod is what forkgate-pod@GUID.service runs: the supervisor of one pod, and the clean-up behind it. It is a
// program of its own because it starts with every pod, and forkgate takes longer to load than a pod takes to build.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/coreos/go-systemd/v22/journal"

	"forkgate/nsjail"
	"forkgate/nsjail/pod"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "forkgate-pod: %v\n", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 2 || args[0] != "run" && args[0] != "clean" {
		return errors.New("usage: forkgate-pod run|clean GUID, as forkgate-pod@GUID.service does")
	}
	if os.Geteuid() != 0 {
		return errors.New("a pod is built by root; use systemctl start forkgate-pod@GUID")
	}
	guid := args[1]
	if args[0] == "clean" {
		return nsjail.Clean(nsjail.RunDir, guid)
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("cannot find the pod's init: %w", err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	return pod.Run(ctx, pod.Config{
		RunDir: nsjail.RunDir, GUID: guid, Init: filepath.Join(filepath.Dir(self), "forkgate-init"),
		Print: print, Ready: ready,
		Scrubber: filepath.Join(filepath.Dir(self), "forkgate-scrub"), Extend: extend,
	})
}

// print passes on what is printed in the pod: to the journal under its own name, elsewhere to standard error.
func print(from, line string) {
	err := journal.Send(line, journal.PriInfo, map[string]string{"SYSLOG_IDENTIFIER": from})
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %q\n", from, line)
	}
}

// extend has systemd wait for longer (EXTEND_TIMEOUT_USEC of sd_notify(3)).
func extend(by time.Duration) error {
	_, err := daemon.SdNotify(false, fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", by.Microseconds()))
	return err
}

// ready tells systemd, where systemd asked to be told (sd_notify(3)).
func ready() error {
	_, err := daemon.SdNotify(false, daemon.SdNotifyReady)
	return err
}
