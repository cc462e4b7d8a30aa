package network

import (
	"fmt"
	"strings"
)

// neighbours are chains of other firewalls that drop what they forward, and where they let the operator say what not to. A drop
// in any table is final, so pods need an accept in each: for what has passed our rules, which come first.
var neighbours = []struct{ name, chain, remedy string }{
	{"Docker", "ip filter DOCKER-USER", "iptables -I DOCKER-USER -i fg+ -j ACCEPT; iptables -I DOCKER-USER -o fg+ -j ACCEPT"},
	{"ufw", "ip filter ufw-before-forward", "ufw route allow in on fg+; ufw route allow out on fg+"},
	{"Docker", "ip6 filter DOCKER-USER", "ip6tables -I DOCKER-USER -i fg+ -j ACCEPT; ip6tables -I DOCKER-USER -o fg+ -j ACCEPT"},
	{"ufw", "ip6 filter ufw6-before-forward", "ufw route allow in on fg+; ufw route allow out on fg+"},
	{"firewalld", "inet firewalld filter_FORWARD", "firewall-cmd --permanent --zone=trusted --add-interface=fg+ && firewall-cmd --reload"},
}

// ours marks the rules that are put there. They are ones that iptables understands when it lists its table.
const ours = `comment "forkgate"`

// befriend has the firewalls that are there let pods through, as long as there are pods.
func (s *service) befriend() {
	warning := ""
	chains, err := nftOutput("", "--terse", "list", "chains") // one look for all, as there is none of them on most hosts
	if err != nil {
		s.log.Error("cannot see other firewalls", "err", err)
		return
	}
	for _, n := range neighbours {
		name := n.chain[strings.LastIndex(n.chain, " ")+1:]
		if !strings.Contains(string(chains), "chain "+name+" {") {
			continue
		}
		rules, err := nftOutput("", "--handle", "list", "chain "+n.chain)
		if err != nil {
			continue // it is not there
		}
		here := strings.Contains(string(rules), ours)
		wanted := len(s.pods) > 0 && (s.plan.six() || !strings.HasPrefix(n.chain, "ip6 "))
		switch {
		case wanted && !here:
			err = nft(fmt.Sprintf("insert rule %[1]s oifname \"fg*\" accept %[2]s\ninsert rule %[1]s iifname \"fg*\" accept %[2]s\n", n.chain, ours))
		case !wanted && here:
			err = nft(withdraw(n.chain, string(rules)))
		}
		if err != nil {
			warning = fmt.Sprintf("%s drops what pods forward, and does not let itself be told: %v; run: %s", n.name, err, n.remedy)
		}
	}
	if warning == "" && len(s.pods) > 0 {
		if warning = leftOver(string(chains), "ip"); warning == "" && s.plan.six() {
			warning = leftOver(string(chains), "ip6")
		}
	}
	if warning != "" && warning != s.warned {
		s.log.Warn(warning)
	}
	s.warned = warning
}

// leftOver says what is wrong where iptables drops what is forwarded and no firewall that lets itself be told is asked: Docker leaves
// its policy there when somebody takes its chains away, as firewalld does when it stops.
func leftOver(chains, family string) string {
	_, table, _ := strings.Cut(chains, "table "+family+" filter {\n")
	table, _, _ = strings.Cut(table, "\n}")
	_, forward, _ := strings.Cut(table, "chain FORWARD {\n")
	forward, _, _ = strings.Cut(forward, "}")
	if !strings.Contains(forward, "policy drop") {
		return ""
	}
	rules, err := nftOutput("", "list", "chain", family, "filter", "FORWARD")
	for _, n := range neighbours {
		if chain, ok := strings.CutPrefix(n.chain, family+" filter "); err != nil || ok && strings.Contains(string(rules), "jump "+chain) {
			return ""
		}
	}
	return family + "tables drops what is forwarded, for pods too, and the rules of whoever set that are gone; " +
		"if that was Docker, run: systemctl restart docker; else, run: " + family + "tables -P FORWARD ACCEPT"
}

// withdraw deletes our rules from a chain that was listed with handles.
func withdraw(chain, listing string) string {
	var script strings.Builder
	for line := range strings.Lines(listing) {
		if _, handle, ok := strings.Cut(line, "# handle "); ok && strings.Contains(line, ours) {
			fmt.Fprintf(&script, "delete rule %s handle %s\n", chain, strings.TrimSpace(handle))
		}
	}
	return script.String()
}
