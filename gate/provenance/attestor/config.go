package attestor

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2/gohcl"
	"github.com/hashicorp/hcl/v2/hclparse"
	"golang.org/x/crypto/ssh"

	"forkgate/gate"
	"forkgate/gate/provenance/chain"
)

// Config is what a workstation's operator says, in HCL:
//
//	agents = "/etc/forkgate-attest/agents.hcl"
//	gate "production" {
//	  patterns   = ["gate.example.org"]
//	  host_keys  = ["ssh-ed25519 AAAA..."]
//	  principals = { "1000" = "alice" }
//	}
//	hosts  = ["/usr/bin/tmux"]
//	events = "optional"
type Config struct {
	Agents string   `hcl:"agents,optional"` // path of the data file
	Logins []string `hcl:"logins,optional"` // paths of programs that log people in, beside those that are known
	Hosts  []string `hcl:"hosts,optional"`  // paths of programs that may host a person's terminal
	SSH    []string `hcl:"ssh,optional"`    // paths of the ssh that gates are reached by; /usr/bin/ssh by default
	Events string   `hcl:"events,optional"` // "required", which is the default, or "optional"
	Gates  []Gate   `hcl:"gate,block"`
}

// Gate is a host that gets certificates.
type Gate struct {
	Name       string            `hcl:"name,label"`
	Patterns   []string          `hcl:"patterns"`   // as Host has them in ssh_config(5)
	HostKeys   []string          `hcl:"host_keys"`  // lines of its public keys
	Principals map[string]string `hcl:"principals"` // uid here -> principal there

	keys []ssh.PublicKey
	uids map[uint32]string
}

// DefaultAgents is where make install puts the data on agents.
const DefaultAgents = "/etc/forkgate-attest/agents.hcl"

// ParseConfig reads a configuration and checks all of it. Its errors are one line, with file and line where there is one.
func ParseConfig(file string, text []byte) (Config, error) {
	var c Config
	parsed, diags := hclparse.NewParser().ParseHCL(text, file)
	if !diags.HasErrors() {
		diags = gohcl.DecodeBody(parsed.Body, nil, &c)
	}
	if diags.HasErrors() {
		return Config{}, fmt.Errorf("cannot use the configuration: %s", diags[0].Error())
	}
	if err := c.complete(); err != nil {
		return Config{}, fmt.Errorf("cannot use the configuration: %s: %w", file, err)
	}
	return c, nil
}

func (c *Config) complete() error {
	if c.Agents == "" {
		c.Agents = DefaultAgents
	}
	if c.SSH == nil {
		c.SSH = []string{"/usr/bin/ssh"}
	}
	c.Logins = append(c.Logins, logins()...)
	for _, p := range slices.Concat(c.Logins, c.Hosts, c.SSH, []string{c.Agents}) {
		if !path.IsAbs(p) || path.Clean(p) != p {
			return fmt.Errorf("%q is no absolute path of a program or file", p)
		}
	}
	if c.Events != "" && c.Events != "required" && c.Events != "optional" {
		return fmt.Errorf(`events is "required" or "optional", not %q`, c.Events)
	}
	names, owners := map[string]bool{}, map[string]string{}
	for i := range c.Gates {
		g := &c.Gates[i]
		if names[g.Name] {
			return fmt.Errorf("there are two gates %q", g.Name)
		}
		names[g.Name] = true
		if err := g.complete(owners); err != nil {
			return fmt.Errorf("gate %q: %w", g.Name, err)
		}
	}
	return nil
}

// Warnings are what the operator may not have meant, a line each.
func (c Config) Warnings() (lines []string) {
	for _, list := range []struct {
		name  string
		paths []string
	}{{"hosts", c.Hosts}, {"logins", c.Logins}} {
		for _, p := range list.paths {
			if chain.OpenToAll(p) {
				lines = append(lines, fmt.Sprintf("%s names %s: any process of an account can have that type or start what it likes, so that each agent there can be a person to gates", list.name, p))
			}
		}
	}
	return lines
}

func (g *Gate) complete(owners map[string]string) error {
	if len(g.HostKeys) == 0 || len(g.Principals) == 0 || len(g.Patterns) == 0 {
		return errors.New("it needs patterns, host_keys and principals, one of each at least")
	}
	for _, pattern := range g.Patterns {
		if pattern == "" || strings.ContainsAny(pattern, " \t\r\n\"#") {
			return fmt.Errorf("%q is no pattern of a host", pattern)
		}
	}
	for _, line := range g.HostKeys {
		key, _, options, rest, err := ssh.ParseAuthorizedKey([]byte(line))
		if err != nil || len(options) > 0 || len(bytes.TrimSpace(rest)) > 0 {
			return fmt.Errorf("%.40q is no public key: a line of the gate's own /var/lib/forkgate/hostkeys/*.pub stands here", line)
		}
		wire := string(key.Marshal())
		if other, taken := owners[wire]; taken {
			return fmt.Errorf("the host key %s is the gate %q's already", ssh.FingerprintSHA256(key), other)
		}
		owners[wire] = g.Name
		g.keys = append(g.keys, key)
	}
	g.uids = map[uint32]string{}
	for text, principal := range g.Principals {
		uid, err := strconv.ParseUint(text, 10, 32)
		if err != nil || strconv.FormatUint(uid, 10) != text {
			return fmt.Errorf("%q is no uid", text)
		}
		if err := gate.CheckName(principal); err != nil {
			return fmt.Errorf("%q is no principal: %w", principal, err)
		}
		g.uids[uint32(uid)] = principal
	}
	return nil
}

// logins are the programs by which distributions log people in, as root, on consoles and on desktops.
func logins() []string {
	return []string{
		"/bin/login", "/usr/bin/login", "/usr/libexec/gdm-session-worker", "/usr/lib/gdm3/gdm-session-worker", "/usr/lib/gdm-session-worker",
		"/usr/libexec/sddm-helper", "/usr/lib/sddm/sddm-helper", "/usr/lib/x86_64-linux-gnu/sddm/sddm-helper",
		"/usr/sbin/lightdm", "/usr/bin/greetd", "/usr/sbin/greetd",
	}
}

// gateOf finds the gate that a host key belongs to. A host's certificate stands for its key.
func (c Config) gateOf(key ssh.PublicKey) (Gate, bool) {
	if cert, ok := key.(*ssh.Certificate); ok {
		key = cert.Key
	}
	for _, g := range c.Gates {
		if slices.ContainsFunc(g.keys, func(k ssh.PublicKey) bool { return bytes.Equal(k.Marshal(), key.Marshal()) }) {
			return g, true
		}
	}
	return Gate{}, false
}

// SSHConfig is what leads ssh to the attestor, for a file in /etc/ssh/ssh_config.d.
func (c Config) SSHConfig(socket string) string {
	var b strings.Builder
	b.WriteString("# Written by forkgate-attest ssh-config. Its certificates are for one connection each: none is shared, and no agent goes along.\n")
	for _, g := range c.Gates {
		fmt.Fprintf(&b, "Host %s\n    IdentityAgent %s\n    ControlMaster no\n    ControlPath none\n    ForwardAgent no\n",
			strings.Join(g.Patterns, " "), socket)
	}
	return b.String()
}
