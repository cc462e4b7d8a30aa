package vm_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"forkgate/tests/host"
	"forkgate/tests/need"
	"forkgate/tests/vm"
)

// TestVM installs forkgate's package on a Debian 13 and sets it up, as a new admin does, and then goes through the table of checks.
func TestVM(t *testing.T) {
	v := boot(t)
	newAdmin(t, v)
	for _, c := range checks() {
		t.Run(c.name, func(t *testing.T) {
			c.check(t, v)
			t.Logf("%s: done", v.Up())
		})
	}
}

// poolDisk is the disk of the host that is for the pool, empty at first.
const poolDisk = "/dev/disk/by-id/virtio-pool"

// steady keeps one control group that has a cpuset and a share of the processors. Each time that the first such group comes and the last goes, which
// all pods do here again and again, the kernel patches its own code, and qemu's emulation of two processors now and then has one of them run into the
// middle of that, more so on a busy machine: the kernel dies with "Oops: int3".
const steady = "systemd-run --quiet --unit=steady --property=AllowedCPUs=0-1 --property=CPUQuota=50% sleep infinity"

// boot boots a host that has forkgate at hand, and no more than that.
func boot(t *testing.T) *vm.VM {
	t.Helper()
	image := need.VM(t)
	rootfs := vm.Existing(t, need.Rootfs(t))
	// Below build, and not in a directory of the test's: who kills the test leaves nothing that the next one does not take.
	payload := filepath.Join(image, "payload")
	if err := os.RemoveAll(payload); err != nil {
		t.Fatal(err)
	}
	host.Build(t, payload)
	host.Debs(t, runtime.GOARCH, "v1.0.0", payload)
	host.Debs(t, runtime.GOARCH, "v1.0.1", filepath.Join(payload, newer))
	v := vm.Boot(t, payload,
		vm.Disk{Name: "pool", File: vm.Unnamed(t, 20<<30)}, vm.Disk{Name: "rootfs", File: rootfs, ReadOnly: true})
	v.Must(t, "sh", "-ec", steady)
	t.Logf("%s: booted Linux %s", v.Up(), v.Must(t, "uname", "-r"))
	return v
}

// newAdmin is a way from a plain Debian to an agent that is kept out of production, and works in a fork, in as few commands as README says.
func newAdmin(t *testing.T, v *vm.VM) {
	t.Helper()
	v.Must(t, "sh", "-ec", "for name in person agent small; do ssh-keygen -q -t ed25519 -N '' -f /root/$name; done; mkdir -p -m 700 /root/.ssh; "+
		"cp /root/person.pub /root/.ssh/authorized_keys; mkdir /root/data; echo orders >/root/data/orders.txt")
	for _, command := range []string{
		"apt-get install --yes --no-install-recommends /opt/payload/forkgate_*.deb",
		"forkgate setup --yes --device " + poolDisk + " --principal person --vouched --rootfs /dev/disk/by-id/virtio-rootfs --from /root/data --repo demo",
	} {
		t.Logf("%s: %s\n%s", v.Up(), command, v.Must(t, "sh", "-ec", command+" 2>&1 </dev/null"))
	}
	v.Must(t, "sh", "-ec", clients)
	const agent = "CLAUDECODE=1 ssh -o SendEnv=CLAUDECODE "
	if r := v.Run(t, "", "sh", "-c", agent+"demo@person cat orders.txt"); r.Code != 254 || len(r.Stdout) > 0 || !strings.Contains(string(r.Stderr), "agents work in forks") {
		t.Fatalf("an agent in production: exit code %d\n%s%s", r.Code, r.Stdout, r.Stderr)
	}
	if got := v.Must(t, "sh", "-ec", agent+"demo+new@person cat orders.txt"); got != "orders" {
		t.Fatalf("an agent in its fork reads %q", got)
	}
	if got := v.Must(t, "ssh", "demo@person", "cat orders.txt"); got != "orders" {
		t.Fatalf("a person in production reads %q", got)
	}
	t.Logf("%s: an agent is kept out of production, and works in a fork", v.Up())
	v.Must(t, "sh", "-ec", others)
}

// setUp is what admin.md says of an install from source, with the pool on a device, and a principal of each kind. A step that fails ends it all.
func setUp(t *testing.T, v *vm.VM, device string) {
	t.Helper()
	for _, step := range []struct{ what, command string }{
		{"make install", "make --silent -C /opt/payload BIN=bin install"},
		{"sysctl", "sysctl --system"},
		{"forkgate pool init", "forkgate pool init --device " + device},
		{"principals", principals},
		{"forkgate.target", "systemctl enable --now forkgate.target"},
		{"forkgate rootfs import", "forkgate rootfs import - </dev/disk/by-id/virtio-rootfs"},
		{"forkgate repo create", "mkdir /root/data; echo orders >/root/data/orders.txt; forkgate repo create demo --from /root/data"},
		{"clients", clients},
	} {
		v.Must(t, "sh", "-ec", step.command)
		t.Logf("%s: %s", v.Up(), step.what)
	}
}

const principals = `
	for name in person agent small; do ssh-keygen -q -t ed25519 -N '' -f /root/$name; done
	cat >/etc/forkgate/policy.d/principals.hcl <<POLICY
principal "person" {
  keys    = ["$(cat /root/person.pub)"]
  vouched = true
}
POLICY
` + others

const others = `
	cat >/etc/forkgate/policy.d/others.hcl <<POLICY
principal "agent" {
  keys = ["$(cat /root/agent.pub)"]
}
principal "small" {
  keys = ["$(cat /root/small.pub)"]
}
permit "small-forks" {
  when = op == "fork" && caller.principal == "small"
  limits {
    memory = "256MiB"
    pids   = 100
    cpu    = 0.5
    io     = 50
  }
}
POLICY
	forkgate policy check
	! systemctl is-active --quiet forkgate-warden || systemctl reload forkgate-warden`

const clients = `
	mkdir -p -m 700 /root/.ssh
	cat /var/lib/forkgate/hostkeys/*.pub | sed 's/^/[127.0.0.1]:2222 /' >/root/.ssh/known_hosts
	cat >/root/.ssh/config <<CONFIG
Host person agent small
  HostName 127.0.0.1
  Port 2222
  IdentitiesOnly yes
  BatchMode yes
Host person
  IdentityFile /root/person
Host agent
  IdentityFile /root/agent
Host small
  IdentityFile /root/small
CONFIG`

// ssh runs a command in the fork that all checks share, as its agent.
func ssh(t *testing.T, v *vm.VM, command string) (text string, code int) {
	t.Helper()
	r := v.Run(t, "", "ssh", "demo+x@agent", command)
	return string(r.Stdout) + string(r.Stderr), r.Code
}

// sshMust is ssh of what has to succeed.
func sshMust(t *testing.T, v *vm.VM, command string) string {
	t.Helper()
	text, code := ssh(t, v, command)
	if code != 0 {
		t.Fatalf("%s: exit code %d\n%s", command, code, text)
	}
	return text
}

// run runs a command in a container of the fork.
func run(t *testing.T, v *vm.VM, options, command string) (text string, code int) {
	t.Helper()
	return ssh(t, v, fmt.Sprintf("docker run --rm %s bb sh -c '%s'", options, strings.ReplaceAll(command, "'", `'\''`)))
}
