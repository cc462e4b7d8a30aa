package door_test

import (
	"context"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"forkgate/gate/door"
	"forkgate/gate/door/doortest"
	"forkgate/gate/warden/client"
	"forkgate/tests/need"
)

// told adds up what the warden has been told.
func (p *place) told() (sum client.StrangersRequest) {
	for _, q := range p.warden.Seen().Told {
		sum.Failed += q.Failed
		sum.Idle += q.Idle
		sum.Nonsense += q.Nonsense
		sum.Slow += q.Slow
		sum.TurnedAway += q.TurnedAway
		sum.Penalized = q.Penalized
	}
	return sum
}

func reporting(_ *doortest.Warden, c *door.Config) { c.Report = 50 * time.Millisecond }

// Each kind of connection that comes to nothing is told of as that, a login as none.
func TestStrangersAreTold(t *testing.T) {
	t.Parallel()
	p := open(t, reporting, func(_ *doortest.Warden, c *door.Config) { c.HandshakeTimeout = 3 * time.Second })
	for _, test := range []struct {
		what string
		come func()
		want client.StrangersRequest
	}{
		{"a login", func() { p.dial("demo").Close() }, client.StrangersRequest{}},
		{"an unknown key", func() { _, _ = p.tryDial("demo", p.newKey("other")) }, client.StrangersRequest{Failed: 1}},
		{"a key that does not sign", func() { r := dialRaw(t, p.addr); r.prove("demo", p.key, p.newKey("wrong")); r.conn.Close() }, client.StrangersRequest{Failed: 1}},
		{"a client without keys", func() { _, _ = p.tryDial("demo") }, client.StrangersRequest{Idle: 1}},
		{"a knock", func() { p.say("") }, client.StrangersRequest{Idle: 1}},
		{"a key exchange and no more", func() { dialRaw(t, p.addr).conn.Close() }, client.StrangersRequest{Idle: 1}},
		{"what is no key exchange", func() { p.say("SSH-2.0-x\r\n" + strings.Repeat("x", 1000)) }, client.StrangersRequest{Nonsense: 1}},
		{"an endless version", func() { p.say(strings.Repeat("x", 1000)) }, client.StrangersRequest{Nonsense: 1}},
		{"silence", func() {
			c, _ := net.Dial("tcp", p.addr)
			defer c.Close()
			_, _ = io.Copy(io.Discard, c)
		}, client.StrangersRequest{Slow: 1}},
	} {
		before := p.told()
		test.come()
		want := client.StrangersRequest{
			Failed: before.Failed + test.want.Failed, Idle: before.Idle + test.want.Idle, Nonsense: before.Nonsense + test.want.Nonsense, Slow: before.Slow + test.want.Slow,
		}
		need.Eventually(t, test.what+" is told of as what it is", func() bool {
			got := p.told()
			got.Penalized = 0
			return got == want
		})
	}
}

// say sends a text, reads whatever comes and leaves.
func (p *place) say(text string) {
	c, err := net.Dial("tcp", p.addr)
	if err != nil {
		p.t.Fatal(err)
	}
	_, _ = io.WriteString(c, text)
	if text != "" {
		_, _ = io.Copy(io.Discard, c)
	}
	c.Close()
}

// A door that cannot look keys up has nobody pay for that.
func TestNobodyPaysForTheGate(t *testing.T) {
	t.Parallel()
	p := open(t, reporting)
	p.warden.Stop()
	for range 20 {
		if _, err := p.tryDial("demo", p.key); err == nil {
			t.Fatal("somebody is in")
		}
	}
	p.warden.Start()
	need.Eventually(t, "the warden is told", func() bool { return len(p.warden.Seen().Told) > 2 })
	if got := p.told(); got.Failed+got.Idle+got.Nonsense+got.Slow+got.Penalized != 0 {
		t.Errorf("%+v", got)
	}
}

// attack has strangers fail from one address until ctx ends: they say nothing, speak no SSH, or try a key that is nobody's.
func (p *place) attack(ctx context.Context) (end func()) {
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	wrong := p.newKey("wrong")
	for n := range 6 {
		all.Go(func() {
			for ctx.Err() == nil {
				switch n % 3 {
				case 0:
					if c, err := net.Dial("tcp", p.addr); err == nil {
						_ = c.SetReadDeadline(time.Now().Add(2 * time.Second))
						_, _ = io.Copy(io.Discard, c)
						c.Close()
					}
				case 1:
					if c, err := net.Dial("tcp", p.addr); err == nil {
						_, _ = io.WriteString(c, strings.Repeat("x", 1000))
						_, _ = io.Copy(io.Discard, c)
						c.Close()
					}
				case 2:
					_, _ = p.tryDial("demo", wrong)
				}
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
	end = sync.OnceFunc(func() { cancel(); all.Wait() })
	p.t.Cleanup(end)
	return end
}

// taken is how many places one source can take, by connections that only sit there, at once.
func (p *place) taken() (n int) {
	for range 10 {
		c, err := net.Dial("tcp", p.addr)
		if err != nil {
			p.t.Fatal(err)
		}
		defer c.Close()
		if _, err := io.WriteString(c, "SSH-2.0-x\r\n"); err != nil {
			continue
		}
		_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
		if k, _ := c.Read(make([]byte, 1)); k == 1 { // the door's version
			n++
		}
	}
	return n
}

// Who attacks gets fewer places; who shares the address and has a key gets in, while the attack goes on, and keeps the address its places; the
// log has few lines. The control is the same attack from a network that is exempt.
func TestAnAttackerPays(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		what          string
		exempt, login bool
		places        int // of ten, after the attack
	}{
		{"attackers alone", false, false, 2},
		{"somebody with a key among them", false, true, 10},
		{"an exempt network", true, true, 10},
	} {
		t.Run(test.what, func(t *testing.T) {
			t.Parallel()
			p := open(t, reporting, func(_ *doortest.Warden, c *door.Config) {
				c.Report = time.Second
				if test.exempt {
					c.Exempt = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
				}
			})
			end := p.attack(t.Context())
			need.Eventually(t, "the attack is noticed", func() bool { return p.told().Failed+p.told().Nonsense > 100 })
			if pays := p.told().Penalized == 1; pays == test.exempt {
				t.Errorf("the source pays: %v", pays)
			}
			if test.login {
				need.Eventually(t, "somebody with a key gets in", func() bool {
					c, err := p.tryDial("demo", p.key)
					if err == nil {
						c.Close()
					}
					return err == nil
				})
			}
			end()
			lines := strings.Count(p.log.String(), "handshake failed")
			if many := lines > 30; many != test.exempt {
				t.Errorf("%d lines of log for single failures", lines)
			}
			if !strings.Contains(p.log.String(), "connections came to nothing") {
				t.Error("the log has no line for all of them")
			}
			need.Eventually(t, "what was under way is over", func() bool { return p.warden.Doors() == 0 })
			if n := p.taken(); n != test.places {
				t.Errorf("it has %d places, want %d", n, test.places)
			}
		})
	}
}
