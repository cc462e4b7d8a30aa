package doctor

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"maps"
	"strings"
	"testing/fstest"

	"forkgate/fork"
)

// fake is a host that tests break: its files, what its programs print (by their command lines), and what its kernel answers.
type fake struct {
	files    fstest.MapFS
	programs map[string]string
	kernel   fakeKernel
	pool     string
	notRoot  bool
	blocks   map[string][]string // of policy; nil: it does not load
	keys     []HostKey
	noKeys   error
}

type fakeKernel struct {
	namespace, idmap, space, btrfs, rootfs, clock error
	landlock                                      int
	unsynchronized                                bool
	room                                          fork.Room
	trees                                         []Rootfs
}

func (k fakeKernel) UserNamespace() error            { return k.namespace }
func (k fakeKernel) IDMap(string) error              { return k.idmap }
func (k fakeKernel) Landlock() int                   { return k.landlock }
func (k fakeKernel) Synchronized() (bool, error)     { return !k.unsynchronized, k.clock }
func (k fakeKernel) Room(string) (fork.Room, error)  { return k.room, k.space }
func (k fakeKernel) Btrfs(string) (string, error)    { return uuid, k.btrfs }
func (k fakeKernel) Rootfs(string) ([]Rootfs, error) { return k.trees, k.rootfs }

const (
	uuid  = "0a1b2c3d-0000-4000-8000-000000000001"
	place = "/var/lib/forkgate/pool"
)

func (f *fake) host() *Host {
	policy := func() (map[string][]string, error) {
		if f.blocks == nil {
			return nil, errors.New("the policy does not load")
		}
		return maps.Clone(f.blocks), nil
	}
	keys := func() ([]HostKey, error) { return f.keys, f.noKeys }
	return &Host{HostKeys: keys, Files: f.files, Root: !f.notRoot, Pool: f.pool, Kernel: f.kernel, Policy: policy, Run: func(_ context.Context, argv ...string) (string, error) {
		command := strings.Join(argv, " ")
		if output, whole := f.programs[command]; whole {
			return output, nil
		}
		for prefix, output := range f.programs {
			if strings.HasPrefix(command, prefix+" ") {
				return output, nil
			}
		}
		return "", errors.New("exit status 1")
	}}
}

func (f *fake) write(name, text string) { f.files[name] = &fstest.MapFile{Data: []byte(text)} }

func (f *fake) sysctl(name, value string) {
	f.write("proc/sys/"+strings.ReplaceAll(name, ".", "/"), value+"\n")
}

const mountinfo = `22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
25 22 0:22 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:4 - cgroup2 cgroup2 rw
31 22 0:40 / /var/lib/forkgate/pool rw,nosuid,nodev,noexec,relatime shared:9 - btrfs /dev/loop0 rw,subvolid=5,subvol=/
`

// healthy is a Debian 13 on which everything is green.
func healthy() *fake {
	f := &fake{files: fstest.MapFS{}, pool: place, keys: []HostKey{{File: "ssh_host_ed25519_key"}, {File: "ssh_host_ecdsa_key"}}, blocks: map[string][]string{"demo": {"443:8443/tcp", "2222:53/udp"}}, kernel: fakeKernel{
		landlock: 6, room: fork.Room{Free: 15 << 30, Reserve: 2 << 30}, trees: []Rootfs{{strings.Repeat("ab", 32), "docker.io 26.1.5+dfsg1-9+b9"}},
	}}
	for name, text := range map[string]string{
		"proc/sys/kernel/osrelease": "6.12.117+deb13-cloud-amd64\n", "proc/self/mountinfo": mountinfo, "proc/1/comm": "systemd\n",
		"etc/os-release": "ID=debian\nVERSION_ID=\"13\"\n", "etc/resolv.conf": "# made by hand\nnameserver 192.0.2.1\nnameserver 192.0.2.2\n",
		"sys/kernel/security/lsm": "lockdown,capability,landlock,yama,apparmor", "run/dbus/system_bus_socket": "",
		"sys/fs/btrfs/features/simple_quota": "0\n", "sys/fs/btrfs/" + uuid + "/qgroups/mode": "squota\n",
		"sys/fs/cgroup/cgroup.controllers": "cpuset cpu io memory hugetlb pids rdma misc\n", "etc/ufw/ufw.conf": "ENABLED=no\n",
		"proc/net/tcp":              hears("0100007F:01BB", "0A") + hears("00000000:0016", "0A") + hears("00000000:01BB", "01"), // loopback; 22; a connection
		"proc/net/tcp6":             hears("00000000000000000000000000000000:08AE", "0A") + hears("00000000000000000000000001000000:01BB", "0A"),
		"sys/module/overlay/refcnt": "1", "lib/modules/6.12.117+deb13-cloud-amd64/modules.builtin": "kernel/net/bridge/br_netfilter.ko\n",
		"boot/config-6.12.117+deb13-cloud-amd64": "CONFIG_BTRFS_FS=m\nCONFIG_VETH=y\nCONFIG_NFT_COMPAT=m\n",
	} {
		f.write(name, text)
	}
	for _, s := range settings() {
		f.sysctl(s.name, "5000000")
		if s.least < 0 {
			f.sysctl(s.name, "0")
		}
	}
	for name, value := range map[string]string{
		"kernel.core_pattern": "core", "net.ipv4.ip_forward": "1", "net.ipv4.conf.all.rp_filter": "0", "net.ipv4.conf.default.rp_filter": "2",
		"kernel.seccomp.actions_avail": "kill_process kill_thread trap errno user_notif trace log allow", "kernel.modules_disabled": "0",
		"user.max_net_namespaces": "1024", "kernel.io_uring_disabled": "2", "kernel.yama.ptrace_scope": "1",
	} {
		f.sysctl(name, value)
	}
	f.programs = map[string]string{
		"modprobe --dry-run --quiet": "", "mkfs.btrfs --version": "mkfs.btrfs, part of btrfs-progs v6.14\n",
		"systemctl --version": "systemd 257 (257.9-1~deb13u1)\n+PAM\n", "nft --version": "nftables v1.1.3 (Commodore Bullmoose #4)\n",
		"getent passwd forkgate":        "forkgate:x:998:998:forkgate gate:/nonexistent:/usr/sbin/nologin\n",
		"getent passwd forkgate-egress": "forkgate-egress:x:997:997:forkgate egress:/nonexistent:/usr/sbin/nologin\n",
		"getent passwd 7111":            "rediacc:x:7111:7111:forkgate sessions:/nonexistent:/usr/sbin/nologin\n",
		"systemctl show":                show(nil), "forkgate repo list --json": `[{"ref": "demo"}, {"ref": "shop"}]`,
	}
	return f
}

// states are units as systemctl show prints them.
type states map[string]unit

// show prints a healthy host's units, with some properties changed.
func show(changes states) string {
	all := states{mountUnit: {"LoadState": "loaded", "ActiveState": "active", "UnitFileState": "enabled"}}
	for _, name := range shipped {
		all[name] = unit{"LoadState": "loaded", "ActiveState": "active", "UnitFileState": "static", "NeedDaemonReload": "no"}
	}
	all["forkgate.target"]["UnitFileState"] = "enabled"
	all["forkgate-gate.service"]["ActiveState"] = "inactive" // nobody has come yet
	all["forkgate-gate.socket"]["Listen"] = "[::]:2222 (Stream)"
	all["firewalld.service"] = unit{"LoadState": "not-found", "ActiveState": "inactive"}
	var b bytes.Buffer
	for name, u := range all {
		maps.Copy(u, changes[name])
		b.WriteString("Id=" + name + "\n")
		for key, value := range u {
			b.WriteString(key + "=" + value + "\n")
		}
		b.WriteString("\n")
	}
	return b.String()
}

func packed(text string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := z.Write([]byte(text))
	if err = errors.Join(err, z.Close()); err != nil {
		panic(err)
	}
	return b.String()
}

// hears is a line of /proc/net/tcp, or of its likes.
func hears(address, state string) string {
	return "   0: " + address + " 00000000:0000 " + state + " 00000000:00000000 00:00000000 00000000     0        0 18436 1\n"
}
