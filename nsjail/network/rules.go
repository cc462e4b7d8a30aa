package network

import (
	_ "embed"
	"fmt"
	"net/netip"
	"strings"

	"forkgate/gate"
)

//go:embed rules.nft
var rules string

//go:embed rules6.nft
var rules6 string

// Caps of one pod: an ordinary host tracks 65,536 connections or more in all (nf_conntrack_max).
const (
	maxConnections = 2048
	newPerSecond   = 256
	newBurst       = 1024
)

// mark is the bit that is this package's, of connections' marks and of packets'. All others stay as they are. It is none that Docker,
// Podman, Kubernetes, Tailscale or wg-quick(8) use.
const mark uint32 = 1 << 12

// base is the table without pods, for nft -f: it replaces what is there in one step.
func (p plan) base() string {
	return strings.NewReplacer(
		"POD_RANGE", p.pods.String(), "PODS6", p.pods6.String(),
		"NEVER6", list(gate.NeverReached6()), "PRIVATE6", list(gate.Private6()), "NEVER", list(gate.NeverReached()), "PRIVATE", list(gate.Private()),
		"CONNECTIONS", fmt.Sprint(maxConnections), "RATE", fmt.Sprint(newPerSecond), "BURST", fmt.Sprint(newBurst),
		"UNMARK", fmt.Sprintf("%#x", ^mark), "MARK", fmt.Sprintf("%#x", mark),
	).Replace(p.lines(rules))
}

// lines are those that count: comments speak of the names that are replaced, and what is of IPv6 is left out where pods have none. A
// kernel without IPv6 might refuse that, and all the rest with it.
func (p plan) lines(of string) string {
	var text strings.Builder
	for line := range strings.Lines(of) {
		line = strings.TrimSpace(line)
		six, ofSix := strings.CutPrefix(line, "IPV6 ")
		switch {
		case strings.HasPrefix(line, "#") || ofSix && !p.six():
		case six == "BLOCKS":
			text.WriteString(p.lines(rules6))
		default:
			text.WriteString(six + "\n")
		}
	}
	return text.String()
}

// list writes prefixes as the elements of a set, leaving out those that lie within another.
func list(prefixes []netip.Prefix) string {
	var all []string
	for i, p := range prefixes {
		inner := false
		for j, o := range prefixes {
			inner = inner || i != j && contains(o, p)
		}
		if !inner {
			all = append(all, p.String())
		}
	}
	return strings.Join(all, ", ")
}

// surroundings are the sets of what the host is in.
func (s *service) surroundings() string {
	var text strings.Builder
	for _, f := range s.families {
		text.WriteString(setTo("uplinks"+f.suffix, quoted(f.uplinks)) + setTo("lent"+f.suffix, quoted(f.lent)) + setTo("neighbours"+f.suffix, list(f.neighbours)))
		if f.suffix != "" {
			text.WriteString(setTo("shut", f.shut()))
		}
	}
	return text.String()
}

// setTo replaces the elements of a set.
func setTo(set, elements string) string {
	text := "flush set inet forkgate " + set + "\n"
	if elements != "" {
		text += fmt.Sprintf("add element inet forkgate %s { %s }\n", set, elements)
	}
	return text
}

func quoted(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return `"` + strings.Join(names, `", "`) + `"`
}
