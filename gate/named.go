package gate

import (
	"fmt"
	"regexp"
	"strings"
)

// label is one of a host's name (RFC 1123, 2.1).
const label = `[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?`

// A name has a dot, and ends in a label that is no number. What is below a domain has one within the domain as well: "*.com" would be everybody.
var (
	hostForm = regexp.MustCompile(`^(` + label + `\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?$`)
	wildForm = regexp.MustCompile(`^\*\.(` + label + `\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?$`)
)

// maxName is how many characters a name has at most (RFC 1035, 2.3.4, without the length of the first label and the root's).
const maxName = 253

// isName tells names from what was meant to be an address.
func isName(s, where string) bool {
	letters := strings.ContainsFunc(where, func(r rune) bool { return r != '*' && r != '.' && r != '/' && (r < '0' || r > '9') })
	return !strings.HasPrefix(s, "[") && (letters || strings.HasPrefix(where, "*."))
}

func parseNamed(s, where, port string, limited bool) (Egress, error) {
	e := Egress{Name: strings.ToLower(where)}
	number, proto, named := strings.Cut(port, "/")
	switch {
	case len(where) > maxName || !hostForm.MatchString(e.Name) && !wildForm.MatchString(e.Name):
		return Egress{}, fmt.Errorf(`egress %.80q: write "*", an address or a range, such as 192.0.2.0/24 or [2001:db8::/32], or a name and its port, such as api.example.com:443 or *.example.org:443`, s)
	case !limited:
		return Egress{}, fmt.Errorf("egress %q: a name has a port: write %s:443", s, e.Name)
	case named && proto != "tcp":
		return Egress{}, fmt.Errorf("egress %q: a name is reached by tcp", s)
	}
	var err error
	if e.Port, err = parsePort(number); err != nil {
		return Egress{}, fmt.Errorf("egress %q: %w", s, err)
	}
	return e, nil
}

// Reaches reports whether e opens a host by its name, which is in small letters. Of a domain it opens what is below, and not itself.
func (e Egress) Reaches(host string, port uint16) bool {
	if e.Name == "" || e.Port != port || len(host) > maxName || !hostForm.MatchString(host) {
		return false
	}
	domain, wild := strings.CutPrefix(e.Name, "*")
	if wild {
		return strings.HasSuffix(host, domain)
	}
	return host == e.Name
}

// Resolves reports whether e opens a host at some port.
func (e Egress) Resolves(host string) bool { return e.Reaches(host, e.Port) }

// intersectNamed is Intersect where one of them is a name. Which addresses that has nobody knows beforehand, so that it has nothing in common
// with a range; but all of them are public.
func (e Egress) intersectNamed(o Egress) (Egress, bool) {
	if e.Name == "" {
		e, o = o, e
	}
	switch {
	case o.Name == "":
		return e, o.All && (o.Port == 0 || o.Port == e.Port) && (o.Proto == "" || o.Proto == "tcp")
	case e.Port != o.Port:
		return Egress{}, false
	case e.Name == o.Name || o.below(e):
		return o, true
	}
	return e, e.below(o)
}

// below reports whether all that e opens is within a domain.
func (e Egress) below(o Egress) bool {
	domain, wild := strings.CutPrefix(o.Name, "*")
	return wild && strings.HasSuffix(e.Name, domain) && e.Name != o.Name
}
