package vm_test

import (
	"strings"
	"testing"

	"forkgate/tests/vm"
)

// newer is where the payload has the version that follows, and installs puts it in place.
const (
	newer    = "newer"
	installs = "DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends /opt/payload/" + newer + "/forkgate_*.deb </dev/null >/root/apt 2>&1\n"
)

// upgrades has a newer package take the place of the one that runs, under a session.
const upgrades = `
	until_() { for n in $(seq 600); do if eval "$1"; then return 0; fi; sleep 0.1; done; echo "not within a minute: $1"; exit 1; }
	pids() { systemctl show -P MainPID forkgate-warden forkgate-gate | xargs; }
	mkfifo /root/upgrade; ssh demo+x@agent 'echo in; cat' </root/upgrade >/root/upgraded & client=$!
	exec 3>/root/upgrade; until_ 'grep -q in /root/upgraded'
	before=$(pids); echo '# mine' >>/etc/forkgate/policy.d/baseline.hcl
	` + installs + `
	set -- $before $(pids); test $1 != $3 -a $2 != $4
	ssh demo+x@agent cat orders.txt </dev/null
	echo out >&3; exec 3>&-; wait $client; grep out /root/upgraded
	forkgate version; forkgate status --json | grep -o v1.0.1; tail -n 1 /etc/forkgate/policy.d/baseline.hcl; systemctl list-units --failed --no-legend 'forkgate*'`

func upgradesThePackage(t *testing.T, v *vm.VM) {
	if got, want := v.Must(t, "bash", "-ec", upgrades), "orders\nout\nforkgate v1.0.1\nv1.0.1\n# mine"; got != want {
		t.Errorf("an upgrade shows\n%s\nwant\n%s", got, want)
	}
}

// running prints what of forkgate is left that runs, or would.
const running = `ss -Htln 'sport = :2222'; pgrep -af '[f]orkgate (warden|gate|net|egress)|[f]orkgate-pod' || :; nft list tables | grep forkgate || :
	systemctl list-units --no-legend --all --state=active,failed 'forkgate*.service'`

// removesThePackage comes last. What is production outlives the package, and goes for whoever types the words; the disk is the admin's.
func removesThePackage(t *testing.T, v *vm.VM) {
	v.Must(t, "apt-get", "remove", "--yes", "forkgate")
	if left := v.Must(t, "sh", "-c", running); left != "" {
		t.Errorf("after it was removed\n%s", left)
	}
	const production = `ls /var/lib/forkgate/pool/repos | wc -l`
	if got := v.Must(t, "sh", "-c", production); got != "1" {
		t.Errorf("%s repositories outlive the package", got)
	}
	v.Must(t, "sh", "-ec", installs+"systemctl enable --now forkgate.target")
	if got := v.Must(t, "ssh", "demo@person", "cat orders.txt"); got != "orders" {
		t.Errorf("production, after the package was put back: %q", got)
	}
	said := v.Must(t, "sh", "-ec", "DEBIAN_FRONTEND=noninteractive apt-get purge --yes forkgate 2>&1 </dev/null")
	if !strings.Contains(said, "is left as it is, with the repositories") {
		t.Errorf("purged without the words, it says\n%s", said)
	}
	if got := v.Must(t, "sh", "-c", production); got != "1" {
		t.Errorf("%s repositories outlive a purge without the words", got)
	}
	t.Logf("%s", v.Must(t, "sh", "-ec", installs+
		"echo forkgate forkgate/purge-data string i-understand-this-deletes-production | debconf-set-selections; "+
		"DEBIAN_FRONTEND=noninteractive apt-get purge --yes forkgate 2>&1 </dev/null"))
	if got := v.Must(t, "sh", "-c", "ls -d /var/lib/forkgate /etc/forkgate 2>/dev/null; grep /var/lib/forkgate /proc/mounts || :"); got != "" {
		t.Errorf("after a purge with the words there is\n%s", got)
	}
	if got := v.Must(t, "blkid", "--output", "value", "--match-tag", "TYPE", poolDisk); got != "btrfs" {
		t.Errorf("the pool's own disk has %q after a purge, and is the admin's", got)
	}
}
