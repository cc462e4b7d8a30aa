package host_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"forkgate/tests/need"
)

// firewall is a program that forwards nothing which it has not been told of, as Debian has it: how it is turned on with the gate's port open,
// how its rules are loaded again, and how it is turned off.
type firewall struct {
	name, on, again, off string
	row, says            string // of doctor
	shuts                bool   // the host's own ports, too
}

var firewalls = []firewall{
	{
		name: "ufw", on: "ufw default deny incoming; ufw default deny routed; ufw allow 2222/tcp; ufw --force enable",
		again: "ufw reload", off: "ufw --force disable", row: "ufw", says: "is open", shuts: true,
	},
	{
		name: "firewalld", on: "firewall-offline-cmd --add-port=2222/tcp; systemctl start firewalld; firewall-cmd --state",
		again: "firewall-cmd --reload", off: "systemctl stop firewalld", row: "firewalld", says: "is open", shuts: true,
	},
	{
		name: "Docker", on: hostsDocker, again: "systemctl restart docker-of-the-host; " + answersDocker, off: "systemctl stop docker-of-the-host",
		row: "host's Docker", says: "with its chain",
	},
}

// hostsDocker starts the Docker of a rootfs as the host's own.
const hostsDocker = `cat >/run/docker-of-the-host <<'END'
root=$(ls -d /var/lib/forkgate/pool/rootfs/* | head -n 1)
mount -t tmpfs docker /mnt; mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay -o lowerdir=$root,upperdir=/mnt/upper,workdir=/mnt/work docker /mnt/root
for d in proc sys dev run; do mount --rbind /$d /mnt/root/$d; done
exec chroot /mnt/root dockerd --storage-driver=vfs -H unix:///run/of-the-host.sock
END
systemd-run --quiet --unit=docker-of-the-host -p PrivateMounts=yes bash -e /run/docker-of-the-host
` + answersDocker

const answersDocker = `for n in $(seq 600); do nft list chain ip filter DOCKER >/dev/null 2>&1 && curl -s --unix-socket /run/of-the-host.sock http://x/_ping && exit; sleep 0.1; done; exit 1`

// Beside the real firewalls pods reach what they may, the world what is published and the gate, and nothing else of the host; and doctor
// says so.
func TestRealFirewalls(t *testing.T) {
	t.Parallel()
	need.Tools(t, "apt-get", "dpkg")
	debs := downloaded(t, "ufw", "firewalld")
	h, uplink, world := town(t)
	answers := shop(t, h, uplink, world)
	h.Must(t, "sh", "-ec", "DEBIAN_FRONTEND=noninteractive dpkg --install --force-confold "+debs+"/*.deb >/dev/null; systemctl stop ufw firewalld; systemctl disable ufw firewalld")
	reaches(t, h, "before")
	holds(t, h, "the published port answers", answers)
	h.Must(t, "sh", "-c", "systemd-run --quiet --unit=other socat TCP-LISTEN:7777,reuseaddr,fork EXEC:'echo other'")
	other := func() string {
		return fromOutside(t, world, "socat", "-T", "5", "-", "TCP:"+uplink+":7777,connect-timeout=3").Stdout
	}
	holds(t, h, "control: the host's own port answers", func(string) bool { return other() == "other\n" })
	for _, f := range firewalls {
		for _, step := range []struct{ when, do string }{{"on", f.on}, {"loaded again", f.again}} {
			h.Must(t, "sh", "-ec", step.do)
			if got := other(); f.shuts && got != "" {
				t.Errorf("control: %s is %s, and the host's own port answers %q", f.name, step.when, got)
			}
			holds(t, h, f.name+" is "+step.when+", and the published port answers", answers)
			gets(t, h, "a session, "+f.name+" "+step.when, open)
			if r := fromOutside(t, world, "socat", "-T", "5", "-", "TCP:"+uplink+":2222,connect-timeout=3"); !strings.HasPrefix(r.Stdout, "SSH-2.0-") {
				t.Errorf("%s is %s, and the gate answers %q %s", f.name, step.when, r.Stdout, r.Stderr)
			}
		}
		if row := h.Must(t, "sh", "-c", `forkgate doctor | grep "^[a-z]* *$0 "`, f.row); !strings.HasPrefix(row, "green ") || !strings.Contains(row, f.says) {
			t.Errorf("doctor says of %s: %s", f.name, row)
		}
		gets(t, h, "a container, "+f.name+" on", "docker run --rm bb wget -q -O - http://test.example/")
		h.Must(t, "sh", "-ec", f.off)
		holds(t, h, f.name+" is off, and the published port answers", answers)
		gets(t, h, "a session, "+f.name+" off", open)
	}
}

// downloaded fetches Debian packages that are not installed here, with what they need. They are for a copy of this machine alone.
func downloaded(t *testing.T, packages ...string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	fetch := append([]string{"-qq", "-y", "--no-install-recommends", "--download-only", "-o", "DPkg::Lock::Timeout=120", "-o", "Dir::Cache::Archives=" + dir, "-o", "APT::Sandbox::User=root", "install"}, packages...)
	out, err := exec.Command("apt-get", fetch...).CombinedOutput()
	if err != nil { // the lists may be old, or missing
		if said, failed := exec.Command("apt-get", "-qq", "update").CombinedOutput(); failed != nil {
			t.Fatalf("apt-get update: %v\n%s", failed, said)
		}
		out, err = exec.Command("apt-get", fetch...).CombinedOutput()
	}
	if debs, _ := filepath.Glob(dir + "/*.deb"); err != nil || len(debs) == 0 {
		t.Fatalf("cannot download %q: %v\n%s", packages, err, out)
	}
	return dir
}
