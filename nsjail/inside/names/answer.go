package names

import (
	"strings"

	"golang.org/x/net/dns/dnsmessage"

	"forkgate/nsjail/dns"
)

// query is a question that somebody asked.
type query struct{ dns.Query }

func parse(packet []byte) (query, error) {
	q, err := dns.Parse(packet)
	return query{q}, err
}

// own answers what a pod knows itself, and reports false for all other names.
func (q query) own(hostname string) ([]byte, bool) {
	name := strings.ToLower(strings.TrimSuffix(q.Question.Name.String(), "."))
	switch {
	case q.Header.OpCode != 0 || q.Question.Class != dnsmessage.ClassINET:
		return nil, false
	case name == "localhost" || strings.HasSuffix(name, ".localhost"):
		return q.loopback(true), true
	case hostname != "" && name == strings.ToLower(hostname):
		return q.loopback(false), true // as /etc/hosts has it
	case q.Question.Type == dnsmessage.TypePTR && name == "1.0.0.127.in-addr.arpa":
		return q.Reply(dnsmessage.RCodeSuccess, &dnsmessage.PTRResource{PTR: dnsmessage.MustNewName("localhost.")}), true
	}
	return nil, false
}

// loopback is the address of names that mean the pod itself; types that they do not have get an empty answer.
func (q query) loopback(six bool) []byte {
	switch {
	case q.Question.Type == dnsmessage.TypeA:
		return q.Reply(dnsmessage.RCodeSuccess, &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}})
	case q.Question.Type == dnsmessage.TypeAAAA && six:
		return q.Reply(dnsmessage.RCodeSuccess, &dnsmessage.AAAAResource{AAAA: [16]byte{15: 1}})
	}
	return q.Reply(dnsmessage.RCodeSuccess)
}

// answers reports whether a resolver's packet is the answer to a question that was asked under id.
func (q query) answers(packet []byte, id uint16) bool {
	var p dnsmessage.Parser
	h, err := p.Start(packet)
	if err != nil || !h.Response || h.ID != id {
		return false
	}
	got, err := p.Question()
	if err != nil || got.Type != q.Question.Type || got.Class != q.Question.Class ||
		!strings.EqualFold(got.Name.String(), q.Question.Name.String()) {
		return false
	}
	_, err = p.Question()
	return err == dnsmessage.ErrSectionDone
}
