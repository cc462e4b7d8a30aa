package doors

import (
	"fmt"
	"io/fs"
	"net/netip"
	"path"
	"slices"
	"strings"
)

// connection is a kind of connection, in the words of sshd -T -C: user, host, addr, lport, laddr, rdomain.
type connection map[string]string

// connections are the kinds that the configuration tells apart: one for each Match block, made so that it fits, and one that fits none by itself. A block
// that nobody can make a connection for is an error: what it says would go unseen.
func (h *Host) connections(a accounts) ([]connection, error) {
	text, err := h.sshdText(sshdConfig, 0)
	if err != nil {
		return nil, err
	}
	kinds := []connection{{}}
	for _, line := range lines(text) {
		key, rest := keyword(line)
		if key != "match" {
			continue
		}
		c, err := fitting(rest, a)
		if err != nil {
			return nil, fmt.Errorf("%q in sshd's configuration is not understood: %w", line, err)
		}
		kinds = append(kinds, c)
	}
	return kinds, nil
}

func keyword(line string) (key string, rest []string) {
	f := strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == '\t' })
	key, value, equals := strings.Cut(f[0], "=")
	if rest = f[1:]; equals && value != "" {
		rest = append([]string{value}, rest...)
	}
	return strings.ToLower(key), rest
}

// deepest is how far sshd follows Include.
const deepest = 16

// sshdText is the configuration with what it includes.
func (h *Host) sshdText(name string, depth int) (string, error) {
	text, ok, err := h.read(name)
	if !ok {
		return "", fmt.Errorf("cannot read /%s: %v", name, err)
	}
	all := text
	for _, line := range lines(text) {
		patterns := includes(line)
		if len(patterns) > 0 && depth == deepest {
			return "", fmt.Errorf("/%s includes too deep", name)
		}
		for _, pattern := range patterns {
			files, err := fs.Glob(h.Files, strings.TrimPrefix(pattern, "/"))
			if err != nil {
				return "", err
			}
			for _, file := range files {
				more, err := h.sshdText(file, depth+1)
				if err != nil {
					return "", err
				}
				all += "\n" + more
			}
		}
	}
	return all, nil
}

// fitting makes a connection that a Match line fits.
func fitting(criteria []string, a accounts) (connection, error) {
	c := connection{}
	for len(criteria) > 0 {
		key, pattern, joined := strings.Cut(strings.ToLower(criteria[0]), "=")
		if key == "all" {
			criteria = criteria[1:]
			continue
		}
		if !joined && len(criteria) > 1 {
			pattern, criteria = criteria[1], criteria[1:]
		}
		criteria = criteria[1:]
		first, _, _ := strings.Cut(strings.Trim(pattern, `"`), ",")
		if first == "" || strings.ContainsAny(pattern, "!") {
			return nil, fmt.Errorf("a connection that fits cannot be made up")
		}
		if err := c.fit(key, first, a); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// fit has the connection fit one pattern.
func (c connection) fit(key, pattern string, a accounts) error {
	fill := strings.NewReplacer("*", "x", "?", "x")
	switch key {
	case "user":
		c["user"] = fill.Replace(pattern)
		if strings.ContainsAny(pattern, "*?") {
			i := slices.IndexFunc(a.all, func(one account) bool { ok, _ := path.Match(pattern, one.name); return ok })
			if i >= 0 {
				c["user"] = a.all[i].name
			}
		}
	case "group":
		for name, members := range a.members {
			if ok, _ := path.Match(pattern, name); ok && len(members) > 0 {
				c["user"] = members[0]
			}
		}
	case "host":
		c["host"] = fill.Replace(pattern)
	case "rdomain":
		c["rdomain"] = fill.Replace(pattern)
	case "localport":
		c["lport"] = strings.NewReplacer("*", "1", "?", "1").Replace(pattern)
	case "address", "localaddress":
		key = map[string]string{"address": "addr", "localaddress": "laddr"}[key]
		if prefix, err := netip.ParsePrefix(pattern); err == nil {
			c[key] = prefix.Addr().String()
			return nil
		}
		c[key] = strings.NewReplacer("*", "1", "?", "1").Replace(pattern)
	default:
		return fmt.Errorf("the criterion %s is not known here", key)
	}
	return nil
}
