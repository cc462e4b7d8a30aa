package host_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"forkgate/tests/host"
	"forkgate/tests/need"
)

// Without D-Bus, whose daemon is gone, and while systemd starts itself anew, forks are made, entered, frozen and removed as before; and what the
// registry says of them is what disk, units and rules say.
func TestWithoutABus(t *testing.T) {
	t.Parallel()
	h := host.Start(t, host.Options{Agents: []string{"bot"}})
	h.Repo(t, "demo", "/etc/systemd")
	ssh := func(args ...string) string {
		t.Helper()
		out, err := h.SSH(t.Context(), args...).CombinedOutput()
		if err != nil {
			t.Fatalf("ssh %q: %v: %s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	ssh("demo+before@bot", "true")
	h.Must(t, "sh", "-ec", "systemctl mask --now --runtime dbus.socket dbus.service; ! test -e /run/dbus/system_bus_socket || ! busctl status >/dev/null 2>&1")

	if got := ssh("demo+new@bot", "echo in; ls system.conf"); got != "in\nsystem.conf" {
		t.Errorf("in a new fork: %q", got)
	}
	ssh("demo+before@bot", "true")
	agrees(t, h)
	h.Must(t, "forkgate", "freeze", "demo:before")
	agrees(t, h)

	ctx, stop := context.WithCancel(t.Context())
	reexecuted := make(chan error, 1)
	go func() {
		var err error
		for ctx.Err() == nil && err == nil {
			err = h.Command(ctx, "systemctl", "daemon-reexec").Run()
			time.Sleep(200 * time.Millisecond) // upgrades do it once
		}
		reexecuted <- err
	}()
	for _, tag := range []string{"a", "b", "c", "d"} {
		ssh("demo+"+tag+"@bot", "true")
		h.Must(t, "forkgate", "rm", "demo:"+tag)
	}
	stop()
	if err := <-reexecuted; err != nil && ctx.Err() == nil {
		t.Error(err)
	}
	h.Must(t, "forkgate", "thaw", "demo:before")
	ssh("demo+before@bot", "true")
	agrees(t, h)
	h.Must(t, "forkgate", "rm", "demo:new")
	h.Must(t, "forkgate", "rm", "demo:before")
	agrees(t, h)
	if left := h.Must(t, "forkgate", "forks", "--json"); left != "[]" {
		t.Errorf("left: %s", left)
	}
}

// agrees compares what the registry says with the disk, and what runs by the registry with systemd; spares, which have no record, apart.
func agrees(t *testing.T, h *host.Host) {
	t.Helper()
	lines := func(command string) (all []string) {
		for line := range strings.Lines(h.Must(t, "sh", "-c", command)) {
			all = append(all, strings.TrimSpace(line))
		}
		slices.Sort(all)
		return all
	}
	const guids = `sed -n 's/.*"guid": "\([^"]*\)".*/\1/p'`
	if said, there := lines("forkgate forks --json | "+guids), lines("ls /var/lib/forkgate/pool/forks"); !slices.Equal(said, there) {
		t.Errorf("the registry has the forks %q, and the disk %q", said, there)
	}
	need.Eventually(t, "the pods that run are those of the registry, and spares", func() bool {
		units := lines(`systemctl list-units --plain --no-legend --state=running "forkgate-pod@*" | sed 's/ .*//; s/.*@//; s/\.service//'`)
		known := append(lines("forkgate repos --json | "+guids+"; forkgate forks --json | "+guids), lines("ls /var/lib/forkgate/pool/spare")...)
		return !slices.ContainsFunc(units, func(guid string) bool { return !slices.Contains(known, guid) })
	})
}
