package packaging_test

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"forkgate/fork"
	"forkgate/systemd"
)

const victimAddress = "127.0.0.1:7777"

// probe is what /usr/bin/forkgate does in this test.
func probe(args []string) int {
	var err error
	switch args[0] {
	case "gate":
		err = probeGate()
	case "warden":
		err = probeWarden()
	case "net":
		err = probeNet()
	case "egress":
		err = probeEgress()
	case "run": // as forkgate-pod
		if err = systemd.Ready(); err == nil {
			time.Sleep(time.Hour)
		}
	case "clean":
		err = os.WriteFile("/run/forkgate/pods/cleaned", []byte(strings.Join(args, " ")), 0o600)
	case "attack":
		run(map[string][]attack{"forkgate": gateAttacks, "root": wardenAttacks, "net": netAttacks, "egress": egressAttacks}[args[1]])
	default:
		err = fmt.Errorf("unknown arguments %q", args)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func probeGate() error {
	run(gateAttacks)
	sockets := systemd.Inherited()
	l, err := sockets.Listener("ssh")
	if err != nil {
		return err
	}
	if err := systemd.Ready(); err != nil {
		return err
	}
	fmt.Println("done")
	answer(l, func(net.Conn) string { return askWarden() })
	return nil
}

func askWarden() string {
	c, err := net.Dial("unixpacket", "/run/forkgate/warden.sock")
	if err != nil {
		return err.Error() + "\n"
	}
	defer c.Close()
	b := make([]byte, 100)
	n, err := c.Read(b)
	if err != nil {
		return err.Error() + "\n"
	}
	return string(b[:n])
}

func probeWarden() error {
	sockets := systemd.Inherited()
	doors, err := sockets.Take("warden")
	if err != nil {
		return err
	}
	l, err := net.FileListener(doors)
	if err != nil {
		return err
	}
	go answer(l, func(c net.Conn) string { return fmt.Sprintf("warden says uid %d\n", peer(c)) })
	if err := systemd.Ready(); err != nil {
		return err
	}
	run(wardenAttacks)
	work(sockets)
	fmt.Println("done")
	time.Sleep(time.Hour) // until it is stopped
	return nil
}

// probeNet does what the service of pods' networks has to do in spite of its sandbox, and then what it must not be able to.
func probeNet() error {
	_, err := systemd.Inherited().Take("net")
	if err != nil {
		return err
	}
	if err := systemd.Ready(); err != nil {
		return err
	}
	for _, a := range []attack{
		{"change rules", command("nft", "add table inet probe; delete table inet probe")},
		{"switch forwarding", write0("/proc/sys/net/ipv4/conf/lo/forwarding")},
		{"remember", func() error { return os.WriteFile("/run/forkgate/net/lent", nil, 0o600) }},
		{"see pods", func() error { _, err := os.ReadDir("/run/forkgate/pods"); return err }},
	} {
		result := "ok"
		if err := a.try(); err != nil {
			result = err.Error()
		}
		fmt.Printf("work: %s: %s\n", a.name, result)
	}
	run(netAttacks)
	fmt.Println("done")
	time.Sleep(time.Hour) // until it is stopped
	return nil
}

// write0 sets a kernel parameter to what it is.
func write0(path string) func() error {
	return func() error {
		value, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(path, value, 0)
	}
}

// work is what the warden has to be able to do in spite of its sandbox.
func work(sockets systemd.Sockets) {
	ctx := context.Background()
	step := func(name string, err error) {
		if err != nil {
			fmt.Printf("work: %s: %v\n", name, err)
			return
		}
		fmt.Printf("work: %s: ok\n", name)
	}
	_, err := sockets.Take("operator")
	step("operator socket", err)
	step("mount something", unix.Mount("warden-only", "/run/forkgate/pods", "tmpfs", 0, ""))
	store, err := fork.Open(fork.Options{Pool: "/var/lib/forkgate/pool", Registry: "/var/lib/forkgate/registry.db",
		End: func(context.Context, string) error { return nil }})
	if step("make a store", err); err != nil {
		return
	}
	rootfs, err := rootfsTar()
	if err == nil {
		_, err = store.ImportRootfs(ctx, rootfs, nil)
	}
	step("import a rootfs", err)
	grand, err := store.CreateRepo(ctx, "demo", fork.Source{Dir: "/etc/systemd"}, nil)
	step("make a repository", err)
	child, _, err := store.Fork(ctx, grand, "x", "alice", fork.Limits{Quota: 1 << 30})
	step("make a fork", err)

	units, err := systemd.Connect()
	if err != nil {
		step("start a pod", err)
		return
	}
	defer units.Close()
	step("start a pod", units.Start(ctx, "forkgate-pod@"+child.GUID+".service"))
	step("end a pod", units.Kill(ctx, "forkgate-pod@"+child.GUID+".service"))
	step("remove a fork", store.Remove(ctx, child.GUID))
}

func rootfsTar() (*os.File, error) {
	f, err := os.CreateTemp("/var/lib/forkgate", "rootfs")
	if err != nil {
		return nil, err
	}
	w := tar.NewWriter(f)
	err = errors.Join(
		w.WriteHeader(&tar.Header{Name: "./", Typeflag: tar.TypeDir, Mode: 0o755}),
		w.WriteHeader(&tar.Header{Name: "./bin/", Typeflag: tar.TypeDir, Mode: 0o755}),
		w.WriteHeader(&tar.Header{Name: "./bin/sh", Typeflag: tar.TypeReg, Mode: 0o4755, Size: 0}),
		w.Close())
	if err != nil {
		return nil, err
	}
	_, err = f.Seek(0, 0)
	return f, err
}

type attack struct {
	name string
	try  func() error
}

// gateAttacks are what a taken gate process would try first.
var gateAttacks = []attack{
	{"reach a port of the host", dial("tcp", victimAddress)},
	{"speak to D-Bus", dial("unix", "/run/dbus/system_bus_socket")},
	{"see the host's processes", read("/proc/1/cmdline")},
	{"read the policy's directory", func() error { _, err := os.ReadDir("/etc/forkgate"); return err }},
	{"make a user namespace", command("unshare", "--user", "true")},
	{"make writable code", func() error {
		_, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE|unix.PROT_EXEC, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
		return err
	}},
	{"leave a file for others", func() error {
		return write(fmt.Sprintf("/run/lock/left-by-%d", os.Getuid()))() // what another user has left there is nobody's to open
	}},
}

// wardenAttacks are what a taken warden would try first; it is root.
var wardenAttacks = []attack{
	{"reach a port of the host", dial("tcp", victimAddress)},
	{"make an internet socket", socket(unix.AF_INET, unix.IPPROTO_ICMP)},
	{"make a netlink socket", socket(unix.AF_NETLINK, unix.NETLINK_ROUTE)},
	{"replace a program", write("/usr/bin/planted")},
	{"plant a job", write("/etc/planted")},
	{"plant a unit", write("/run/systemd/planted")},
	{"set a kernel parameter", write("/proc/sys/kernel/hostname")},
	{"open a disk", func() error { f, err := os.Open("/dev/loop7"); f.Close(); return err }},
	{"make a network namespace", command("unshare", "--net", "true")},
	{"read the kernel's log", func() error { _, err := unix.Klogctl(unix.SYSLOG_ACTION_SIZE_BUFFER, nil); return err }},
}

// netAttacks are what a taken service of the network would try first; it is root.
var netAttacks = []attack{
	{"reach a port of the host", dial("tcp", victimAddress)},
	{"make an internet socket", socket(unix.AF_INET, unix.IPPROTO_ICMP)},
	{"speak to D-Bus", dial("unix", "/run/dbus/system_bus_socket")},
	{"replace a program", write("/usr/bin/planted")},
	{"plant a job", write("/etc/planted")},
	{"plant a unit", write("/run/systemd/planted")},
	{"have the kernel start a program", write0("/proc/sys/kernel/core_pattern")},
	{"read the policy's directory", func() error { _, err := os.ReadDir("/etc/forkgate"); return err }},
	{"make a network namespace", command("unshare", "--net", "true")},
	{"mount", func() error { return unix.Mount("x", "/tmp", "tmpfs", 0, "") }},
	{"read the kernel's log", func() error { _, err := unix.Klogctl(unix.SYSLOG_ACTION_SIZE_BUFFER, nil); return err }},
}

// egressAttacks are what a taken forkgate-egress would try first. It reaches ports of this host: its resolver may be one.
var egressAttacks = append([]attack{
	{"read the host's limits", read("/proc/sys/kernel/pid_max")},
}, gateAttacks[1:]...)

func probeEgress() error {
	if _, err := systemd.Inherited().Take("egress"); err != nil {
		return err
	}
	if err := systemd.Ready(); err != nil {
		return err
	}
	result := "ok"
	if err := dial("tcp", victimAddress)(); err != nil {
		result = err.Error()
	}
	fmt.Printf("work: connect: %s\n", result)
	run(egressAttacks)
	fmt.Println("done")
	time.Sleep(time.Hour) // until it is stopped
	return nil
}

func run(attacks []attack) {
	for _, a := range attacks {
		result := "ok"
		if err := a.try(); err != nil {
			result = err.Error()
		}
		fmt.Printf("attack: %s: %s\n", a.name, result)
	}
}

func dial(network, address string) func() error {
	return func() error {
		c, err := net.DialTimeout(network, address, time.Second)
		if err == nil {
			c.Close()
		}
		return err
	}
}

func read(path string) func() error {
	return func() error { _, err := os.ReadFile(path); return err }
}

func write(path string) func() error {
	return func() error { return os.WriteFile(path, []byte("planted"), 0o600) }
}

func command(name string, args ...string) func() error {
	return func() error { return exec.Command(name, args...).Run() }
}

func socket(family, protocol int) func() error {
	return func() error {
		fd, err := unix.Socket(family, unix.SOCK_RAW|unix.SOCK_CLOEXEC, protocol)
		if err == nil {
			unix.Close(fd)
		}
		return err
	}
}

func answer(l net.Listener, say func(net.Conn) string) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		_, _ = c.Write([]byte(say(c))) // who has hung up needs no answer
		c.Close()
	}
}

func peer(c net.Conn) (uid int) {
	uid = -1
	raw, err := c.(*net.UnixConn).SyscallConn()
	if err != nil {
		return uid
	}
	_ = raw.Control(func(fd uintptr) {
		if cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			uid = int(cred.Uid)
		}
	})
	return uid
}
