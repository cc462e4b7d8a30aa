package docs

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"forkgate/tests/host"
	"forkgate/tests/machine"
	"forkgate/tests/need"
)

// world is what the documents begin with: a host that runs sshd's keys and no gate, the package and a rootfs in root's home, and alice, on a workstation of
// hers as far as ssh can tell, who may log in to the host as root.
type world struct{ *machine.Machine }

func newWorld(t *testing.T) *world {
	t.Helper()
	need.Tools(t, "make", "gcc", "git", "ssh", "ssh-keygen", "mkfs.btrfs", "nsenter", "age-keygen", "apt-get")
	rootfs := need.Rootfs(t)
	dir, err := os.MkdirTemp("/var/tmp", "forkgate-docs-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	shared, scratch := filepath.Join(dir, "shared"), filepath.Join(dir, "scratch")
	for _, d := range []string{shared, scratch} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	host.Debs(t, "amd64", "v1.0.0", shared)
	if out, err := exec.Command("cp", "--reflink=auto", rootfs, shared).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	w := &world{machine.Boot(t, machine.Options{Share: []string{shared}, Scratch: scratch})}
	w.Must(t, "bash", "-ec", begin, shared)
	return w
}

// begin is what readers have before they begin.
const begin = `
ln -s "$0"/* /root/
dpkg-deb --extract /root/forkgate-attest_*.deb /root/attest
rm -f /var/lib/man-db/auto-update; echo force-unsafe-io >/etc/dpkg/dpkg.cfg.d/quick # seconds, for all pages of this host, and for its disk
rm -f /etc/ssh/ssh_host_*; ssh-keygen -A >/dev/null
useradd --create-home --shell /bin/bash alice
echo '127.0.0.1 db1' >>/etc/hosts
install -d -o alice -m 700 /home/alice/.ssh
runuser -u alice -- ssh-keygen -q -t ed25519 -N '' -C alice@laptop -f /home/alice/.ssh/id_ed25519
sed 's/^/db1 /' /etc/ssh/ssh_host_*_key.pub >/home/alice/.ssh/known_hosts
chown alice /home/alice/.ssh/known_hosts
install -d -m 700 /root/.ssh
cp /home/alice/.ssh/id_ed25519.pub /root/.ssh/authorized_keys
`
