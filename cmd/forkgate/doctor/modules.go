package doctor

import (
	"bufio"
	"compress/gzip"
	"context"
	"io"
	"io/fs"
	"strings"
)

// part is something of the kernel that is a module in some kernels and built into others.
type part struct {
	module, option string // as modprobe(8) and the kernel's configuration call it
	level          Level  // where it is missing
	why            string
}

func moduleChecks() []check {
	var all []check
	for _, p := range []part{
		{"btrfs", "CONFIG_BTRFS_FS", Red, "the pool is one: forks are its snapshots"},
		{"overlay", "CONFIG_OVERLAY_FS", Red, "images and containers of a fork's Docker daemon lie on it"},
		{"veth", "CONFIG_VETH", Red, "it joins a pod's network with the host's, and a container's with its pod's"},
		{"bridge", "CONFIG_BRIDGE", Red, "a Docker daemon's networks are bridges"},
		{"br_netfilter", "CONFIG_BRIDGE_NETFILTER", Yellow, "without it a Docker daemon cannot part the containers of one network"},
		{"nf_tables", "CONFIG_NF_TABLES", Red, "what leaves a pod, and what does not, is rules of nftables"},
		{"nft_compat", "CONFIG_NFT_COMPAT", Red, "a Docker daemon speaks iptables to nftables"},
		{"nf_nat", "CONFIG_NF_NAT", Red, "pods and containers reach out by the host's address"},
	} {
		all = append(all, check{"module " + p.module, p.why, p.probe})
	}
	return all
}

func (p part) probe(ctx context.Context, h *Host) finding {
	if h.exists("sys/module/" + p.module) {
		return green("loaded")
	}
	configured, known := h.option(p.option)
	if configured == "y" || h.builtIn(p.module) {
		return green("built in")
	}
	locked, _ := h.sysctl("kernel.modules_disabled")
	_, err := h.Run(ctx, "modprobe", "--dry-run", "--quiet", p.module)
	switch {
	case err == nil && locked == "1":
		return finding{p.level, "not loaded, and modules can no longer be", "echo " + p.module + " >>/etc/modules-load.d/forkgate.conf && reboot"}
	case err == nil:
		return green("loads when it is needed")
	case configured == "m":
		return finding{p.level, "a module that is not installed", p.get(h)}
	case known:
		return finding{p.level, "not in this kernel", "boot a kernel with " + p.option}
	}
	return finding{p.level, "neither loaded nor to be found", p.get(h)}
}

// get is how a module is had. Ubuntu keeps some in a package of their own.
func (p part) get(h *Host) string {
	release, _ := h.read("proc/sys/kernel/osrelease")
	if id, _ := h.release(); id == "ubuntu" {
		return install("linux-modules-extra-"+release) + " && modprobe " + p.module
	}
	return install("--reinstall linux-image-"+release) + " && modprobe " + p.module
}

// option reads the kernel's configuration, from where kernels and distributions put it.
func (h *Host) option(name string) (value string, known bool) {
	release, _ := h.read("proc/sys/kernel/osrelease")
	for _, place := range []string{"proc/config.gz", "boot/config-" + release, "lib/modules/" + release + "/config"} {
		if f, err := h.Files.Open(place); err == nil {
			value, known = search(f, strings.HasSuffix(place, ".gz"), name)
			f.Close()
			return value, known
		}
	}
	return "", false
}

// search reports whether it could read a configuration, and what it says of an option: y, m, or nothing.
func search(f fs.File, packed bool, name string) (value string, known bool) {
	var text io.Reader = f
	if packed {
		unpacked, err := gzip.NewReader(f)
		if err != nil {
			return "", false
		}
		text = unpacked
	}
	lines := bufio.NewScanner(text)
	for lines.Scan() {
		if v, found := strings.CutPrefix(lines.Text(), name+"="); found {
			return v, true
		}
	}
	return "", lines.Err() == nil
}

// builtIn looks into the list that comes with a kernel's modules.
func (h *Host) builtIn(module string) bool {
	release, _ := h.read("proc/sys/kernel/osrelease")
	list, _ := h.read("lib/modules/" + release + "/modules.builtin")
	return strings.Contains("/"+strings.ReplaceAll(list, "-", "_"), "/"+module+".ko")
}
