package names

import (
	"context"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"forkgate/nsjail/dns"
)

func TestOwnNames(t *testing.T) {
	for _, network := range []string{"udp", "tcp"} {
		s := started(t)
		for _, test := range []struct {
			kind dnsmessage.Type
			name string
			want string
		}{
			{dnsmessage.TypeA, "localhost.", "127.0.0.1"},
			{dnsmessage.TypeA, "LocalHost.", "127.0.0.1"},
			{dnsmessage.TypeA, "x.localhost.", "127.0.0.1"},
			{dnsmessage.TypeAAAA, "localhost.", "::1"},
			{dnsmessage.TypeA, "demo-x.", "127.0.0.1"},
			{dnsmessage.TypeAAAA, "demo-x.", ""},
			{dnsmessage.TypeMX, "demo-x.", ""},
			{dnsmessage.TypePTR, "1.0.0.127.in-addr.arpa.", "localhost."},
		} {
			m := s.ask(t, network, "127.0.0.1", question(t, test.kind, test.name))
			if m.RCode != dnsmessage.RCodeSuccess || values(m) != test.want {
				t.Errorf("%s %v %s: %v %q, want %q", network, test.kind, test.name, m.RCode, values(m), test.want)
			}
		}
	}
}

// Without a resolver no question gets out, however it is dressed; with one the same questions are answered.
func TestRefused(t *testing.T) {
	asked := make(chan string, 100)
	resolver := resolves(t, func(q dnsmessage.Message, _ bool) []byte {
		asked <- q.Questions[0].Name.String()
		return address(t, q, "93.184.216.34")
	})
	without, with := started(t), started(t, resolver)
	for _, name := range []string{"example.com.", "secret-data.attacker.example.", "localhost.attacker.example.", "demo-x.attacker.example.", "."} {
		for _, network := range []string{"udp", "tcp"} {
			q := question(t, dnsmessage.TypeA, name)
			if m := without.ask(t, network, "127.0.0.1", q); m.RCode != dnsmessage.RCodeRefused || len(m.Answers) != 0 {
				t.Errorf("%s %s: %v %v", network, name, m.RCode, m.Answers)
			}
			if len(asked) != 0 {
				t.Errorf("%s %s got out", network, name)
			}
			if m := with.ask(t, network, "127.0.0.1", q); values(m) != "93.184.216.34" || <-asked != name {
				t.Errorf("control: %s %s: %v", network, name, m)
			}
		}
	}
}

// Containers ask at other addresses of the pod, and believe only an answer from there.
func TestAnswersFromWhereItWasAsked(t *testing.T) {
	s := started(t)
	if m := s.ask(t, "udp", "127.0.0.77", question(t, dnsmessage.TypeA, "localhost.")); values(m) != "127.0.0.1" {
		t.Errorf("got %v", m)
	}
}

func TestLongAnswers(t *testing.T) {
	s := started(t, resolves(t, func(q dnsmessage.Message, stream bool) []byte {
		if !stream {
			q.Response, q.Truncated = true, true
			return pack(t, q)
		}
		return address(t, q, strings.Fields(strings.Repeat("93.184.216.34 ", 200))...)
	}))
	q := question(t, dnsmessage.TypeA, "example.com.")
	if m := s.ask(t, "tcp", "127.0.0.1", q); len(m.Answers) != 200 {
		t.Errorf("by TCP %d answers", len(m.Answers))
	}
	if m := s.ask(t, "udp", "127.0.0.1", q); !m.Truncated || len(m.Answers) != 0 {
		t.Errorf("by UDP %v", m)
	}
}

// Whoever forges answers has to know the ID and the question.
func TestForgedAnswersArePassedOver(t *testing.T) {
	forge := func(change func(m *dnsmessage.Message)) func(q dnsmessage.Message) []byte {
		return func(q dnsmessage.Message) []byte {
			m := dnsmessage.Message{}
			if err := m.Unpack(address(t, q, "6.6.6.6")); err != nil {
				t.Error(err)
			}
			change(&m)
			return pack(t, m)
		}
	}
	forgeries := map[string]func(q dnsmessage.Message) []byte{
		"another ID":       forge(func(m *dnsmessage.Message) { m.ID++ }),
		"another name":     forge(func(m *dnsmessage.Message) { m.Questions[0].Name = dnsmessage.MustNewName("other.example.") }),
		"another type":     forge(func(m *dnsmessage.Message) { m.Questions[0].Type = dnsmessage.TypeTXT }),
		"no question":      forge(func(m *dnsmessage.Message) { m.Questions = nil }),
		"a query":          forge(func(m *dnsmessage.Message) { m.Response = false }),
		"garbage":          func(dnsmessage.Message) []byte { return []byte("garbage") },
		"one question too": forge(func(m *dnsmessage.Message) { m.Questions = append(m.Questions, m.Questions[0]) }),
	}
	for what, forgery := range forgeries {
		s := started(t, resolvesTwice(t, func(q dnsmessage.Message) [][]byte {
			return [][]byte{forgery(q), address(t, q, "93.184.216.34")}
		}))
		if m := s.ask(t, "udp", "127.0.0.1", question(t, dnsmessage.TypeA, "example.com.")); values(m) != "93.184.216.34" {
			t.Errorf("%s: %v %s", what, m.RCode, values(m))
		}
	}
	control := forge(func(*dnsmessage.Message) {})
	s := started(t, resolvesTwice(t, func(q dnsmessage.Message) [][]byte { return [][]byte{control(q)} }))
	if m := s.ask(t, "udp", "127.0.0.1", question(t, dnsmessage.TypeA, "example.com.")); values(m) != "6.6.6.6" {
		t.Errorf("control: a forgery that knows everything is not believed: %v", m)
	}
}

func TestTheNextResolverIsAsked(t *testing.T) {
	closed := netip.MustParseAddrPort("127.0.0.1:1") // nobody listens there
	s := started(t, closed, resolves(t, func(q dnsmessage.Message, _ bool) []byte { return address(t, q, "93.184.216.34") }))
	q := question(t, dnsmessage.TypeA, "example.com.")
	if m := s.ask(t, "udp", "127.0.0.1", q); values(m) != "93.184.216.34" {
		t.Errorf("got %v", m)
	}
	if m := started(t, closed).ask(t, "udp", "127.0.0.1", q); m.RCode != dnsmessage.RCodeServerFailure {
		t.Errorf("with no resolver that answers: %v", m)
	}
}

func TestGarbageIsNotAnswered(t *testing.T) {
	s := started(t)
	answer := question(t, dnsmessage.TypeA, "localhost.")
	answer.Response = true
	two := question(t, dnsmessage.TypeA, "localhost.")
	two.Questions = append(two.Questions, two.Questions[0])
	for what, packet := range map[string][]byte{
		"nothing": {}, "garbage": []byte("garbage"), "an answer": pack(t, answer), "two questions": pack(t, two), "a long one": make([]byte, maxQuery+100),
	} {
		conn := s.dial(t, "udp", "127.0.0.1")
		if _, err := conn.Write(packet); err != nil {
			t.Fatal(err)
		}
		// What it does answer comes back behind what it does not.
		if err := send(conn, pack(t, question(t, dnsmessage.TypeA, "demo-x.")), false); err != nil {
			t.Fatal(err)
		}
		got, err := receive(conn, false)
		if err != nil {
			t.Fatalf("after %s: %v", what, err)
		}
		if m := unpack(t, got); len(m.Questions) != 1 || m.Questions[0].Name.String() != "demo-x." {
			t.Errorf("%s is answered: %v", what, m)
		}
	}
}

func TestMalformedResolver(t *testing.T) {
	for _, r := range []string{"", "resolver.example", "1.1.1.1:x", "fe80::1%eth0", "::ffff:1.1.1.1"} {
		if s, err := Start(Config{Resolvers: []string{r}}); err == nil {
			s.Close()
			t.Errorf("%q is taken for a resolver", r)
		}
	}
}

func FuzzParse(f *testing.F) {
	b, err := (&dnsmessage.Message{Questions: []dnsmessage.Question{{
		Name: dnsmessage.MustNewName("localhost."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET,
	}}}).Pack()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte("\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01\x00\x00\x01\x00\x01\x00\x00\x29\xff\xff\x00\x00\x00\x00\x00\x00"))
	s := &Server{hostname: "demo-x"}
	f.Fuzz(func(t *testing.T, packet []byte) {
		q, err := parse(packet)
		if err != nil {
			return
		}
		if q.Size < dns.MaxUDP || q.Size > dns.MaxEDNS {
			t.Errorf("an answer of %d bytes", q.Size)
		}
		answer := s.answer(context.Background(), q, packet)
		if answer == nil {
			return
		}
		m := dnsmessage.Message{}
		if err := m.Unpack(answer); err != nil || !m.Response || m.ID != q.Header.ID || len(m.Questions) != 1 {
			t.Errorf("answered with %v, %v", m, err)
		}
		if !q.answers(answer, q.Header.ID) {
			t.Errorf("%x is not an answer to %x", answer, packet)
		}
	})
}
