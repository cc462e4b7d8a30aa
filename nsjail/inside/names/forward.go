package names

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// patience is for all resolvers together. glibc's own is 5 s for each of its attempts (resolv.conf(5)).
const patience = 4500 * time.Millisecond

// maxAnswer is what a length of two bytes can say (RFC 1035, 4.2.2).
const maxAnswer = 1<<16 - 1

// ask has the resolvers answer, one after the other, and returns the answer under the ID of who asked here.
func (s *Server) ask(ctx context.Context, q query, packet []byte) ([]byte, error) {
	var errs []error
	for _, resolver := range s.resolvers {
		answer, err := q.askOne(ctx, resolver, packet, patience/time.Duration(len(s.resolvers)))
		if err == nil {
			return answer, nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", resolver, err))
	}
	return nil, errors.Join(errs...)
}

// askOne asks by UDP, from a port and under an ID of chance, and by TCP what does not fit into a datagram.
func (q query) askOne(ctx context.Context, resolver netip.AddrPort, packet []byte, patience time.Duration) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var id [2]byte
	_, _ = rand.Read(id[:]) // never fails (crypto/rand)
	question := append(id[:], packet[2:]...)
	answer, err := q.exchange(ctx, "udp", resolver, question)
	if err == nil && cut(answer) {
		answer, err = q.exchange(ctx, "tcp", resolver, question)
	}
	if err != nil {
		return nil, err
	}
	binary.BigEndian.PutUint16(answer, q.Header.ID)
	return answer, nil
}

func cut(packet []byte) bool {
	var p dnsmessage.Parser
	h, err := p.Start(packet)
	return err == nil && h.Truncated
}

// exchange waits for the answer to the question; a datagram that is none is not the resolver's, and is passed over.
func (q query) exchange(ctx context.Context, network string, resolver netip.AddrPort, question []byte) ([]byte, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, resolver.String())
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	stream := network == "tcp"
	if err := send(conn, question, stream); err != nil {
		return nil, err
	}
	for {
		answer, err := receive(conn, stream)
		if err != nil {
			return nil, err
		}
		if q.answers(answer, binary.BigEndian.Uint16(question)) {
			return answer, nil
		}
		if stream {
			return nil, errors.New("it answers another question")
		}
	}
}

// send writes a message; on a stream behind its length.
func send(w io.Writer, packet []byte, stream bool) error {
	if stream {
		packet = append(binary.BigEndian.AppendUint16(nil, uint16(len(packet))), packet...)
	}
	_, err := w.Write(packet)
	return err
}

func receive(r io.Reader, stream bool) ([]byte, error) {
	if !stream {
		packet := make([]byte, maxAnswer)
		n, err := r.Read(packet)
		return packet[:n], err
	}
	var length [2]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, err
	}
	packet := make([]byte, binary.BigEndian.Uint16(length[:]))
	_, err := io.ReadFull(r, packet)
	return packet, err
}
