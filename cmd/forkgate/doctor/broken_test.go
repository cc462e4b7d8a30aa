package doctor

import (
	"errors"
	"strings"
)

// breakage is something wrong with a healthy host: the row that says so, how bad it is, and what the row must name.
type breakage struct {
	check     string
	level     Level
	found, do string
	breaks    func(*fake)
}

func remove(name string) func(*fake)     { return func(f *fake) { delete(f.files, name) } }
func file(name, text string) func(*fake) { return func(f *fake) { f.write(name, text) } }
func value(name, value string) func(*fake) {
	return func(f *fake) { f.sysctl(name, value) }
}
func without(program string) func(*fake) { return func(f *fake) { delete(f.programs, program) } }
func prints(program, text string) func(*fake) {
	return func(f *fake) { f.programs[program] = text }
}
func state(name, property, value string) func(*fake) {
	return prints("systemctl show", show(states{name: {property: value}}))
}
func mounts(old, new string) func(*fake) {
	return file("proc/self/mountinfo", strings.ReplaceAll(mountinfo, old, new))
}
func both(all ...func(*fake)) func(*fake) {
	return func(f *fake) {
		for _, one := range all {
			one(f)
		}
	}
}

var errDenied = errors.New("operation not permitted")

const oldDebian = "ID=debian\nVERSION_ID=\"12\"\n"

func breakages() []breakage {
	return append([]breakage{
		{"root", Yellow, "not root", "sudo forkgate doctor", func(f *fake) { f.notRoot = true }},
		{"pool space", Yellow, "without root", "sudo", func(f *fake) { f.notRoot = true }},
		{"kernel", Red, "6.1.0-40-amd64, older than 6.7", "bookworm-backports", both(
			value("kernel.osrelease", "6.1.0-40-amd64"), file("etc/os-release", oldDebian))},
		{"kernel", Red, "6.5.0-1-generic", "linux-generic-hwe-22.04", both(
			value("kernel.osrelease", "6.5.0-1-generic"), file("etc/os-release", "ID=ubuntu\nVERSION_ID=22.04\n"))},
		{"kernel", Red, "6.6.1", "boot Linux 6.7", both(value("kernel.osrelease", "6.6.1"), remove("etc/os-release"))},
		{"kernel", Red, "is no release", "uname", value("kernel.osrelease", "six")},
		{"kernel", Red, "5.19.0", "boot", value("kernel.osrelease", "5.19.0")},
		{"user namespaces", Red, "is 0", "user.max_user_namespaces", both(
			value("user.max_user_namespaces", "0"), func(f *fake) { f.kernel.namespace = errDenied })},
		{"user namespaces", Red, "AppArmor", "apparmor_restrict_unprivileged_userns = 0", both(
			value("kernel.apparmor_restrict_unprivileged_userns", "1"), func(f *fake) { f.kernel.namespace = errDenied })},
		{"user namespaces", Red, "not permitted", "CONFIG_USER_NS", func(f *fake) { f.kernel.namespace = errDenied }},
		{"seccomp", Red, "no filters", "CONFIG_SECCOMP_FILTER", remove("proc/sys/kernel/seccomp/actions_avail")},
		{"landlock", Yellow, "none", "lsm=", func(f *fake) { f.kernel.landlock = 0 }},
		{"landlock", Yellow, "version 5", "6.12", func(f *fake) { f.kernel.landlock = 5 }},
		{"security modules", Yellow, "SELinux", "setenforce", file("sys/fs/selinux/enforce", "1")},

		{"module btrfs", Red, "not installed", "linux-image-6.12.117", without("modprobe --dry-run --quiet")},
		{"module nft_compat", Red, "not installed", "linux-modules-extra-6.12.117", both(
			without("modprobe --dry-run --quiet"), file("etc/os-release", "ID=ubuntu\n"))},
		{"module bridge", Red, "not in this kernel", "CONFIG_BRIDGE", without("modprobe --dry-run --quiet")},
		{"module nf_nat", Red, "can no longer be", "modules-load.d", value("kernel.modules_disabled", "1")},
		{"module nf_tables", Red, "nor to be found", "modprobe nf_tables", both(
			without("modprobe --dry-run --quiet"), remove("boot/config-6.12.117+deb13-cloud-amd64"))},
		{"module overlay", Red, "not in this kernel", "CONFIG_OVERLAY_FS", both(
			without("modprobe --dry-run --quiet"), remove("sys/module/overlay/refcnt"), file("proc/config.gz", packed("CONFIG_X=y\n")))},
		{"module veth", Red, "nor to be found", "modprobe veth", both(
			without("modprobe --dry-run --quiet"), file("proc/config.gz", "not gzip"))},
		{"module br_netfilter", Yellow, "not in this kernel", "CONFIG_BRIDGE_NETFILTER", both(
			without("modprobe --dry-run --quiet"), remove("lib/modules/6.12.117+deb13-cloud-amd64/modules.builtin"))},
	}, append(brokenPool(), append(brokenUnits(), append(brokenHostKeys(), brokenSettings()...)...)...)...)
}

func brokenPool() []breakage {
	unmounted := mounts(place, "/elsewhere")
	return []breakage{
		{"btrfs-progs", Yellow, "no mkfs.btrfs", "apt-get install btrfs-progs", without("mkfs.btrfs --version")},
		{"pool", Red, "there is none", "forkgate pool init", unmounted},
		{"pool", Red, "not mounted", "systemctl start", both(unmounted, file("etc/systemd/system/"+mountUnit, ""))},
		{"pool", Red, "is a ext4", "umount", mounts("btrfs /dev/loop0", "ext4 /dev/sdb")},
		{"pool", Red, "without nosuid", "remount,nosuid,nodev,noexec", mounts("pool rw,nosuid,", "pool rw,")},
		{"pool", Red, "without nodev, noexec", "remount", mounts("nosuid,nodev,noexec,relatime shared:9", "nosuid,relatime")},
		{"pool", Red, "shows /sub", "restart", mounts("0:40 /", "0:40 /sub")},
		{"pool", Red, "mounted read-only", "remount,rw", mounts("pool rw,", "pool ro,")},
		{"pool", Red, "is read-only, as after an error of its disk", "systemctl stop forkgate.target", file("proc/self/mountinfo", mountinfo+
			"33 31 0:41 / /var/lib/forkgate/pool rw,nosuid,nodev,noexec - btrfs /dev/loop1 ro,space_cache=v2\n")},
		{"pool", Red, "without noexec", "remount", file("proc/self/mountinfo", mountinfo+
			"33 31 0:41 / /var/lib/forkgate/pool rw,nosuid,nodev - btrfs /dev/loop1 rw\n")},
		{"pool space", Red, "0.5 GiB free", "forkgate rm", func(f *fake) { f.kernel.room.Free = 512 << 20 }},
		{"pool space", Yellow, "3.0 GiB free, 2.0", "forkgate rm", func(f *fake) { f.kernel.room.Free = 3 << 30 }},
		{"pool space", Red, "not permitted", "pool status", func(f *fake) { f.kernel.space = errDenied }},
		{"pool space", Yellow, "no pool", "pool init", unmounted},
		{"simple quotas", Red, "this kernel has none", "Linux 6.7", both(
			remove("sys/fs/btrfs/features/simple_quota"), file("sys/fs/btrfs/features/raid56", ""))},
		{"simple quotas", Red, "another kind: qgroup", "quota disable", file("sys/fs/btrfs/"+uuid+"/qgroups/mode", "qgroup")},
		{"simple quotas", Yellow, "not switched on", "forkgate-warden", remove("sys/fs/btrfs/" + uuid + "/qgroups/mode")},
		{"simple quotas", Yellow, "no pool", "pool init", unmounted},
		{"simple quotas", Red, "not permitted", "pool status", func(f *fake) { f.kernel.btrfs = errDenied }},
		{"idmapped mounts", Red, "not permitted", "Linux", func(f *fake) { f.kernel.idmap = errDenied }},
		{"idmapped mounts", Yellow, "no pool", "pool init", unmounted},
		{"rootfs", Red, "none in the pool", "rootfs build", func(f *fake) { f.kernel.trees = nil }},
		{"rootfs", Red, "not permitted", "rootfs build", func(f *fake) { f.kernel.rootfs = errDenied }},
		{"rootfs", Red, "no pool", "pool init", unmounted},
		{"rootfs", Yellow, "no Docker in abcdef", "rootfs build", func(f *fake) { f.kernel.trees = []Rootfs{{"abcdef", ""}} }},
		{"rootfs", Yellow, "docker-ce 5:19.03.1", "rootfs build", func(f *fake) { f.kernel.trees = []Rootfs{{"abcdef", "docker-ce 5:19.03.1"}} }},

		{"cgroups", Yellow, "hybrid", "unified_cgroup_hierarchy", mounts("/sys/fs/cgroup rw", "/sys/fs/cgroup/unified rw")},
		{"cgroups", Red, "no version 2", "unified_cgroup_hierarchy", mounts("cgroup2", "tmpfs")},
		{"controllers", Yellow, "the host lacks memory, pids", "cgroup_disable", file("sys/fs/cgroup/cgroup.controllers", "cpu io")},
		{"controllers", Yellow, "forkgate.slice lacks io", "cgroup_disable", file("sys/fs/cgroup/forkgate.slice/cgroup.controllers", "cpu memory pids")},
		{"controllers", Yellow, "version 1 lacks cpu, pids, io", "cgroup_disable", file("proc/self/mountinfo",
			"1 0 0:1 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n")},
	}
}
