// Package dns reads questions of DNS and writes answers (RFC 1035, RFC 6891), for who answers some of them itself. It asks nobody. A question comes
// from a pod, and is anything.
package dns

import (
	"errors"

	"golang.org/x/net/dns/dnsmessage"
)

// MaxUDP is what fits into a datagram where the one who asks says nothing else (RFC 1035, 2.3.4); MaxEDNS is as much as goes
// over any link in one piece (DNS flag day 2020).
const (
	MaxUDP  = 512
	MaxEDNS = 1232
	ttl     = 0 // seconds; asking again costs nothing
)

// Query is a question that somebody asked.
type Query struct {
	Header   dnsmessage.Header
	Question dnsmessage.Question
	Size     int // bytes of a datagram that it takes for an answer
}

// ErrNoQuery is what Parse says of anything else.
var ErrNoQuery = errors.New("not a query with one question")

// Parse reads a query. What cannot be answered at all, so as not to answer answers, is an error.
func Parse(packet []byte) (q Query, err error) {
	var p dnsmessage.Parser
	if q.Header, err = p.Start(packet); err != nil {
		return q, err
	}
	if q.Header.Response {
		return q, ErrNoQuery
	}
	if q.Question, err = p.Question(); err != nil {
		return q, err
	}
	if _, err := p.Question(); err != dnsmessage.ErrSectionDone {
		return q, ErrNoQuery
	}
	q.Size = MaxUDP
	if p.SkipAllAnswers() != nil || p.SkipAllAuthorities() != nil {
		return q, nil // what is behind the question does not matter here
	}
	for {
		h, err := p.AdditionalHeader()
		if err != nil {
			return q, nil
		}
		if h.Type == dnsmessage.TypeOPT { // RFC 6891: the class is the size
			q.Size = min(max(int(h.Class), MaxUDP), MaxEDNS)
		}
		if p.SkipAdditional() != nil {
			return q, nil
		}
	}
}

// Refuse answers that the question will not be answered.
func (q Query) Refuse() []byte { return q.Reply(dnsmessage.RCodeRefused) }

// Fail answers that the question could not be answered.
func (q Query) Fail() []byte { return q.Reply(dnsmessage.RCodeServerFailure) }

// Reply builds an answer of these records, or of none; nil where that cannot be, and there is nothing to be said.
func (q Query) Reply(code dnsmessage.RCode, bodies ...dnsmessage.ResourceBody) []byte {
	m := dnsmessage.Message{
		Header: dnsmessage.Header{
			ID: q.Header.ID, Response: true, OpCode: q.Header.OpCode, RecursionDesired: q.Header.RecursionDesired,
			RecursionAvailable: true, RCode: code,
		},
		Questions: []dnsmessage.Question{q.Question},
	}
	for _, body := range bodies {
		m.Answers = append(m.Answers, dnsmessage.Resource{
			Header: dnsmessage.ResourceHeader{Name: q.Question.Name, Class: dnsmessage.ClassINET, TTL: ttl}, Body: body,
		})
	}
	packet, err := m.Pack()
	if err != nil {
		return nil
	}
	return packet
}

// Truncated tells that the answer is too long for a datagram, and to ask by TCP (RFC 1035, 4.2.1).
func (q Query) Truncated() []byte {
	packet := q.Reply(dnsmessage.RCodeSuccess)
	if len(packet) > 2 {
		packet[2] |= 2 // TC
	}
	return packet
}
