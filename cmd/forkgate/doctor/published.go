package doctor

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"forkgate/gate"
)

func publishedChecks() []check {
	return []check{
		{"policy", "with a policy that does not load the last good one stays, and after a restart all doors are shut", asRoot(policyCheck)},
		{"published ports", "what comes to a port that a pod publishes goes to the pod, whoever else hears on it", publishedCheck},
		{"repository blocks", "a block of policy that is of no repository does nothing: its name may be wrong", asRoot(blocksCheck)},
	}
}

const (
	elsewhere = "publish another port in the repository's block, then: systemctl reload forkgate-warden, and start its pod anew"
	unloaded  = "forkgate policy check"
)

func policyCheck(_ context.Context, h *Host) finding {
	if _, err := h.blocks(); err != nil {
		return red(unloaded+" says where; then: systemctl reload forkgate-warden", "%v", err)
	}
	return green("it loads")
}

func publishedCheck(ctx context.Context, h *Host) finding {
	blocks, err := h.blocks()
	if err != nil {
		return yellow(unloaded, "cannot be seen: %v", err)
	}
	gates, heard := ports(ctx, h), h.heard()
	many, taken := 0, finding{level: Green}
	for _, repo := range slices.Sorted(maps.Keys(blocks)) {
		for _, text := range blocks[repo] {
			p, err := gate.ParsePublish(text)
			if err != nil {
				return yellow(unloaded, "%s: %v", repo, err)
			}
			many++
			port := strconv.Itoa(int(p.Host))
			switch {
			case p.Proto == "tcp" && slices.Contains(gates, port):
				return red(elsewhere, "%s takes %s/tcp, where the gate hears: nobody gets in", repo, port)
			case heard[port+"/"+p.Proto] && taken.level == Green:
				taken = yellow(fmt.Sprintf("ss -lnp 'sport = :%s' says who; have it listen elsewhere, or %s", port, elsewhere),
					"%s takes %s/%s, where something else hears", repo, port, p.Proto)
			}
		}
	}
	if taken.level != Green {
		return taken
	}
	return green("%d, and nothing else hears there", many)
}

// blocks are the ports that policy publishes, by repository: of each that has a block.
func (h *Host) blocks() (map[string][]string, error) {
	if h.Policy == nil {
		return nil, fmt.Errorf("there is no policy to look at")
	}
	return h.Policy()
}

// heard are the ports, such as "443/tcp", on which something outside of the loopback hears (proc_net_tcp.rst of the kernel's documentation;
// the states are those of include/net/tcp_states.h, which UDP has as well).
func (h *Host) heard() map[string]bool {
	all := map[string]bool{}
	for proto, state := range map[string]string{"tcp": "0A", "udp": "07"} { // LISTEN; CLOSE, which is what is not connected
		for _, file := range []string{proto, proto + "6"} {
			text, _ := h.read("proc/net/" + file)
			for line := range strings.Lines(text) {
				f := strings.Fields(line)
				if len(f) < 4 || f[3] != state {
					continue
				}
				address, port, _ := strings.Cut(f[1], ":")
				number, err := strconv.ParseUint(port, 16, 16)
				if err == nil && !loopback(address) {
					all[fmt.Sprintf("%d/%s", number, proto)] = true
				}
			}
		}
	}
	return all
}

// loopback reports whether an address, in words of the host's byte order as /proc/net has it, is 127.0.0.0/8 or ::1. A little endian host
// is assumed; elsewhere a port too many is heard.
func loopback(address string) bool {
	v4 := strings.TrimPrefix(address, "0000000000000000FFFF0000")
	return len(v4) == 8 && strings.HasSuffix(v4, "7F") || address == "00000000000000000000000001000000"
}

func blocksCheck(ctx context.Context, h *Host) finding {
	blocks, err := h.blocks()
	if err != nil {
		return yellow(unloaded, "cannot be seen: %v", err)
	}
	if len(blocks) == 0 {
		return green("none")
	}
	text, err := h.Run(ctx, "forkgate", "repo", "list", "--json")
	var repos []struct {
		Ref string `json:"ref"`
	}
	if err := cmp.Or(err, json.Unmarshal([]byte(text), &repos)); err != nil {
		return yellow("systemctl start forkgate-warden", "%d, and the warden does not say which repositories there are", len(blocks))
	}
	for _, r := range repos {
		delete(blocks, r.Ref)
	}
	if unknown := slices.Sorted(maps.Keys(blocks)); len(unknown) > 0 {
		return yellow("mend the name, or: forkgate repo create "+unknown[0], "there is no repository %s", strings.Join(unknown, ", "))
	}
	return green("each is of a repository that there is")
}
