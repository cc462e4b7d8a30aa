package egress

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"forkgate/nsjail/dns"
)

// Bounds of what is asked.
const (
	maxQuestion = 512
	maxAsking   = 64 // at a time; more are lost, and asked again
	maxAnswers  = 8  // so many fit into a datagram
)

// answer answers a pod's own name server until ctx ends.
func (p *pod) answer(ctx context.Context) {
	var all sync.WaitGroup
	defer all.Wait()
	stop := context.AfterFunc(ctx, func() { p.questions.Close() })
	defer stop()
	room := make(chan struct{}, maxAsking)
	packet := make([]byte, maxQuestion+1)
	for p.asks.Wait(ctx) == nil {
		n, from, err := p.questions.ReadFrom(packet)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			time.Sleep(pause)
			continue
		}
		q, err := dns.Parse(packet[:n])
		if err != nil || n > maxQuestion {
			continue
		}
		select {
		case room <- struct{}{}:
		default:
			continue
		}
		all.Go(func() {
			defer func() { <-room }()
			_, _ = p.questions.WriteTo(p.reply(ctx, q), from)
		})
	}
}

// reply answers for the pod's places: with addresses of IPv4, which is what pods have, and with nothing else, as where TLS hides the name of its host
// (the record HTTPS, RFC 9460) a connection leads nowhere. Nobody is asked about any other name: the question could be the message.
func (p *pod) reply(ctx context.Context, q dns.Query) []byte {
	host := hostOf(q.Question.Name.String())
	if q.Header.OpCode != 0 || q.Question.Class != dnsmessage.ClassINET {
		return q.Refuse()
	}
	if !p.places.resolve(host) {
		p.deny(host, 0, "its name is none of the pod's places")
		return q.Refuse()
	}
	if q.Question.Type != dnsmessage.TypeA {
		return q.Reply(dnsmessage.RCodeSuccess)
	}
	addresses, err := p.resolve(ctx, host)
	var failed *net.DNSError
	switch {
	case errors.Is(err, errPrivate):
		p.deny(host, 0, err.Error())
		return q.Refuse()
	case errors.As(err, &failed) && failed.IsNotFound:
		return q.Reply(dnsmessage.RCodeNameError)
	case err != nil:
		return q.Fail()
	}
	return q.Reply(dnsmessage.RCodeSuccess, records(addresses)...)
}

// records are those that a pod can connect to; of a host that has none of IPv4 there are none.
func records(addresses []netip.Addr) (records []dnsmessage.ResourceBody) {
	for _, a := range addresses {
		if a.Is4() && len(records) < maxAnswers {
			records = append(records, &dnsmessage.AResource{A: a.As4()})
		}
	}
	return records
}
