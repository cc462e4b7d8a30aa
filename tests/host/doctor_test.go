package host_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"forkgate/tests/host"
)

// examined is a row as forkgate doctor --json prints it.
type examined struct{ Check, Level, Found, Do, Why string }

func examine(t *testing.T, h *host.Host) (rows map[string]examined, code int) {
	t.Helper()
	r := h.Run(t.Context(), t, "forkgate", "doctor", "--json")
	var list []examined
	if err := json.Unmarshal([]byte(r.Stdout), &list); err != nil {
		t.Fatalf("%v\n%s%s", err, r.Stdout, r.Stderr)
	}
	rows = map[string]examined{}
	for _, row := range list {
		rows[row.Check] = row
	}
	return rows, r.Code
}

// machines are the rows that are the test machine's own kernel, which no installation mends. Whatever else is red is wrong.
var machines = []string{"kernel", "simple quotas", "landlock", "cgroups"}

func doctor(t *testing.T, h *host.Host) {
	reds := func() (names []string, code int) {
		rows, code := examine(t, h)
		for name, row := range rows {
			if row.Level == "red" && !slices.Contains(machines, name) {
				names = append(names, name+": "+row.Found)
			}
		}
		return names, code
	}
	if names, _ := reds(); len(names) > 0 {
		t.Errorf("red on a host that works: %q", names)
	}
	for _, test := range []struct{ row, breaks, found string }{
		{"pool", "mount -o remount,suid /var/lib/forkgate/pool", "without nosuid"},
		{"pool", "systemctl stop forkgate-warden; umount --lazy /var/lib/forkgate/pool", "not mounted"},
		{"running", "systemctl stop forkgate-gate.socket", "down: forkgate-gate.socket"},
		{"running", "rm /run/forkgate/net/net.sock", "forkgate-net.socket listens at /run/forkgate/net/net.sock, which has been removed"},
		{"units", "systemctl mask --runtime --now forkgate-gate.socket", "not loaded: forkgate-gate.socket"},
		{"published ports", `printf 'repository "nosuch" {\n  publish = ["` + host.Port + `:80/tcp"]\n}\n' >/etc/forkgate/policy.d/doctor.hcl`, "where the gate hears"},
		{"host keys", "chmod 644 /var/lib/forkgate/hostkeys/ssh_host_ed25519_key", "others can read it"},
		{"user forkgate", "sed -i.doctor /^forkgate:/d /etc/passwd", "there is none"},
	} {
		h.Must(t, "sh", "-ec", test.breaks)
		rows, code := examine(t, h)
		if row := rows[test.row]; row.Level != "red" || !strings.Contains(row.Found, test.found) || row.Do == "" || row.Why == "" || code != 1 {
			t.Errorf("after %s: exit code %d, %+v", test.breaks, code, row)
		}
		h.Must(t, "sh", "-ec", `[ ! -e /etc/passwd.doctor ] || mv /etc/passwd.doctor /etc/passwd
			rm -f /etc/forkgate/policy.d/doctor.hcl
			chmod 600 /var/lib/forkgate/hostkeys/ssh_host_ed25519_key
			systemctl unmask --runtime forkgate-gate.socket
			mountpoint -q /var/lib/forkgate/pool || systemctl start var-lib-forkgate-pool.mount
			mount -o remount,nosuid /var/lib/forkgate/pool
			[ -e /run/forkgate/net/net.sock ] || systemctl restart forkgate-net.socket
			systemctl restart forkgate-warden; systemctl start forkgate.target`)
		if names, _ := reds(); len(names) > 0 {
			t.Errorf("red after %s was mended: %q", test.breaks, names)
		}
	}
	h.Must(t, "sh", "-ec", `printf 'repository "nosuch" {\n}\n' >/etc/forkgate/policy.d/doctor.hcl; systemctl reload forkgate-warden`)
	if rows, _ := examine(t, h); rows["repository blocks"].Level != "yellow" || !strings.Contains(rows["repository blocks"].Found, "no repository nosuch") {
		t.Errorf("a block of no repository: %+v", rows["repository blocks"])
	}
	h.Must(t, "sh", "-ec", `rm /etc/forkgate/policy.d/doctor.hcl; systemctl reload forkgate-warden; journalctl --sync; journalctl -o cat -u forkgate-warden | grep -q "repository=nosuch"`)
	if rows, _ := examine(t, h); rows["repository blocks"].Level != "green" {
		t.Errorf("with no such block: %+v", rows["repository blocks"])
	}
	text := h.Run(t.Context(), t, "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "forkgate", "doctor").Stdout
	if !strings.Contains(text, "\nyellow  rootfs ") || strings.Contains(text, "docker.io") {
		t.Errorf("who is not root sees\n%s", text)
	}
	t.Logf("root sees\n%s", h.Run(t.Context(), t, "forkgate", "doctor").Stdout)
}
