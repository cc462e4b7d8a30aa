package names

import (
	"errors"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

// maxUDP is what fits into a datagram where the one who asks says nothing else (RFC 1035, 2.3.4); maxEDNS is as much as goes
// over any link in one piece (DNS flag day 2020).
const (
	maxUDP  = 512
	maxEDNS = 1232
	ttl     = 0 // seconds; asking again costs nothing
)

// query is a question that somebody asked.
type query struct {
	header   dnsmessage.Header
	question dnsmessage.Question
	size     int // bytes of a datagram that it takes for an answer
}

var errNoQuery = errors.New("not a query with one question")

// parse reads a query. What cannot be answered at all, so as not to answer answers, is an error.
func parse(packet []byte) (q query, err error) {
	var p dnsmessage.Parser
	if q.header, err = p.Start(packet); err != nil {
		return q, err
	}
	if q.header.Response {
		return q, errNoQuery
	}
	if q.question, err = p.Question(); err != nil {
		return q, err
	}
	if _, err := p.Question(); err != dnsmessage.ErrSectionDone {
		return q, errNoQuery
	}
	q.size = maxUDP
	if p.SkipAllAnswers() != nil || p.SkipAllAuthorities() != nil {
		return q, nil // what is behind the question does not matter here
	}
	for {
		h, err := p.AdditionalHeader()
		if err != nil {
			return q, nil
		}
		if h.Type == dnsmessage.TypeOPT { // RFC 6891: the class is the size
			q.size = min(max(int(h.Class), maxUDP), maxEDNS)
		}
		if p.SkipAdditional() != nil {
			return q, nil
		}
	}
}

// own answers what a pod knows itself, and reports false for all other names.
func (q query) own(hostname string) ([]byte, bool) {
	name := strings.ToLower(strings.TrimSuffix(q.question.Name.String(), "."))
	switch {
	case q.header.OpCode != 0 || q.question.Class != dnsmessage.ClassINET:
		return nil, false
	case name == "localhost" || strings.HasSuffix(name, ".localhost"):
		return q.loopback(true), true
	case hostname != "" && name == strings.ToLower(hostname):
		return q.loopback(false), true // as /etc/hosts has it
	case q.question.Type == dnsmessage.TypePTR && name == "1.0.0.127.in-addr.arpa":
		return q.reply(dnsmessage.RCodeSuccess, &dnsmessage.PTRResource{PTR: dnsmessage.MustNewName("localhost.")}), true
	}
	return nil, false
}

// loopback is the address of names that mean the pod itself; types that they do not have get an empty answer.
func (q query) loopback(six bool) []byte {
	switch {
	case q.question.Type == dnsmessage.TypeA:
		return q.reply(dnsmessage.RCodeSuccess, &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}})
	case q.question.Type == dnsmessage.TypeAAAA && six:
		return q.reply(dnsmessage.RCodeSuccess, &dnsmessage.AAAAResource{AAAA: [16]byte{15: 1}})
	}
	return q.reply(dnsmessage.RCodeSuccess, nil)
}

// refuse answers that the question will not be answered.
func (q query) refuse() []byte { return q.reply(dnsmessage.RCodeRefused, nil) }

// fail answers that the question could not be answered.
func (q query) fail() []byte { return q.reply(dnsmessage.RCodeServerFailure, nil) }

// reply builds an answer of one record, or of none; nil where that cannot be, and there is nothing to be said.
func (q query) reply(code dnsmessage.RCode, body dnsmessage.ResourceBody) []byte {
	m := dnsmessage.Message{
		Header: dnsmessage.Header{
			ID: q.header.ID, Response: true, OpCode: q.header.OpCode, RecursionDesired: q.header.RecursionDesired,
			RecursionAvailable: true, RCode: code,
		},
		Questions: []dnsmessage.Question{q.question},
	}
	if body != nil {
		m.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: q.question.Name, Class: dnsmessage.ClassINET, TTL: ttl}, Body: body,
		}}
	}
	packet, err := m.Pack()
	if err != nil {
		return nil
	}
	return packet
}

// truncated tells that the answer is too long for a datagram, and to ask by TCP (RFC 1035, 4.2.1).
func (q query) truncated() []byte {
	packet := q.reply(dnsmessage.RCodeSuccess, nil)
	if len(packet) > 2 {
		packet[2] |= 2 // TC
	}
	return packet
}

// answers reports whether a resolver's packet is the answer to a question that was asked under id.
func (q query) answers(packet []byte, id uint16) bool {
	var p dnsmessage.Parser
	h, err := p.Start(packet)
	if err != nil || !h.Response || h.ID != id {
		return false
	}
	got, err := p.Question()
	if err != nil || got.Type != q.question.Type || got.Class != q.question.Class ||
		!strings.EqualFold(got.Name.String(), q.question.Name.String()) {
		return false
	}
	_, err = p.Question()
	return err == dnsmessage.ErrSectionDone
}
