package bench

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"forkgate/tests/host"
)

// floodLogins is how many times the second caller logs in under each flood.
const floodLogins = 15

// flood is something that one address does without end.
type flood struct {
	name    string
	workers int
	// stranger floods with connections, caller with what he sends on one of his own. One of them is nil.
	stranger func(net.Conn)
	caller   func(ssh.Conn, ssh.Channel) error
}

func floods() []flood {
	request := func(kind string, payload any) func(ssh.Conn, ssh.Channel) error {
		return func(_ ssh.Conn, c ssh.Channel) error {
			_, err := c.SendRequest(kind, false, ssh.Marshal(payload))
			return err
		}
	}
	open := func(kind string, payload []byte) func(ssh.Conn, ssh.Channel) error {
		return func(c ssh.Conn, _ ssh.Channel) error {
			channel, requests, err := c.OpenChannel(kind, payload)
			if err != nil {
				return nil // a refusal is an answer
			}
			go ssh.DiscardRequests(requests)
			return channel.Close()
		}
	}
	_, nobody, _ := ed25519.GenerateKey(rand.Reader)
	signer, _ := ssh.NewSignerFromKey(nobody)
	return []flood{
		{name: "silence", workers: 32, stranger: func(c net.Conn) {
			_ = c.SetReadDeadline(time.Now().Add(time.Second))
			_, _ = io.Copy(io.Discard, c)
		}},
		{name: "nonsense", workers: 8, stranger: func(c net.Conn) {
			_, _ = io.WriteString(c, strings.Repeat("x", 1000))
			_, _ = io.Copy(io.Discard, c)
		}},
		{name: "keys that are nobody's", workers: 8, stranger: func(c net.Conn) {
			_, _, _, _ = ssh.NewClientConn(c, "gate", &ssh.ClientConfig{
				User: "demo", Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, HostKeyCallback: ssh.InsecureIgnoreHostKey(), // loopback
			})
		}},
		{name: "global requests", workers: 1, caller: func(c ssh.Conn, _ ssh.Channel) error {
			_, _, err := c.SendRequest("no-such@request", false, nil)
			return err
		}},
		{name: "variables", workers: 1, caller: request("env", struct{ Name, Value string }{"LANG", strings.Repeat("x", 1000)})},
		{name: "window changes", workers: 1, caller: request("window-change", struct{ A, B, C, D uint32 }{80, 24, 0, 0})},
		{name: "signals", workers: 1, caller: request("signal", struct{ Name string }{"USR1"})},
		{name: "sessions", workers: 8, caller: open("session", nil)},
		{name: "forwards", workers: 8, caller: open("direct-tcpip", ssh.Marshal(struct {
			Host string
			Port uint32
			From string
			At   uint32
		}{"localhost", 81, "127.0.0.1", 1}))},
	}
}

// floodRounds are the second caller's logins, in ms: undisturbed, and under each flood.
type floodRounds struct {
	Calm  float64
	Under []float64
}

// BenchmarkFloods prints how long a login takes while somebody else floods the server, to that without a flood, beside sshd under the same.
func BenchmarkFloods(b *testing.B) {
	b.StopTimer()
	h := host.Start(b, host.Options{People: []string{"person", "flooder"}})
	h.Repo(b, "demo", "/etc/systemd")
	address := startSSHD(b, h, "person")
	h.Must(b, "sh", "-c", fmt.Sprintf("cat %s/flooder.pub >>/etc/ssh/rival_keys", h.Dir))
	p := plan{Kind: "floods", Config: writeConfig(b, h, address, "person")}
	key := filepath.Join(h.Dir, "flooder")
	p.Ours, p.Rivals = []member{{host.Address + ":" + host.Port, "demo+flooded", key}}, []member{{address, "rival", key}}
	var both [2]floodRounds
	drivenTo(b, h, p, &both)
	ours, rival := both[0], both[1]
	fmt.Printf("\nmedians of %d logins; undisturbed: forkgate %.1f ms, sshd %.1f ms\n", floodLogins, ours.Calm, rival.Calm)
	for i, f := range floods() {
		ratio := ours.Under[i] / ours.Calm
		fmt.Printf("%-24s forkgate %6.1f ms  ratio %.2f (at most 2.0)  sshd %6.1f ms  ratio %.2f\n", f.name, ours.Under[i], ratio, rival.Under[i], rival.Under[i]/rival.Calm)
		b.ReportMetric(ratio, strings.ReplaceAll(f.name, " ", "-")+"/ratio")
	}
}

// floods is the driver's part.
func (p plan) floods() error {
	var both [2]floodRounds
	for i, side := range []struct {
		to string
		by member
	}{{"demo@gate", p.Ours[0]}, {"sshd", p.Rivals[0]}} {
		var err error
		if _, err = p.logins(side.to); err != nil { // warm
			return err
		}
		if both[i].Calm, err = p.logins(side.to); err != nil {
			return err
		}
		for _, f := range floods() {
			end, err := begin(f.name, side.by)
			if err != nil {
				return fmt.Errorf("%s at %s: %w", f.name, side.to, err)
			}
			under, err := p.logins(side.to)
			if err = errors.Join(err, end()); err != nil {
				return fmt.Errorf("a login at %s under %s: %w", side.to, f.name, err)
			}
			both[i].Under = append(both[i].Under, under)
		}
	}
	return json.NewEncoder(os.Stdout).Encode(both)
}

// logins is the median of some logins by stock ssh, in ms.
func (p plan) logins(to string) (float64, error) {
	var took []float64
	for range floodLogins {
		one, err := p.login(to)
		if err != nil {
			return 0, err
		}
		took = append(took, 1000*one.Seconds())
	}
	return median(took), nil
}

// begin has a process of its own flood until end is called: one that takes what processor is left, as if it ran elsewhere.
func begin(name string, by member) (end func() error, err error) {
	text, err := json.Marshal(plan{Kind: "flood", Flood: name, Ours: []member{by}})
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	flooder := exec.Command("nice", "-n", "19", self)
	flooder.Env = append(os.Environ(), "BENCH_PLAN="+string(text))
	flooder.Stderr = os.Stderr
	in, err := flooder.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := flooder.Start(); err != nil {
		return nil, err
	}
	time.Sleep(time.Second / 2)
	return func() error { return errors.Join(in.Close(), flooder.Wait()) }, nil
}

// flood is the flooder's part, until its standard input ends. It fails if nothing of the flood went.
func (p plan) flood() error {
	i := slices.IndexFunc(floods(), func(f flood) bool { return f.name == p.Flood })
	f, by := floods()[i], p.Ours[0]
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var all sync.WaitGroup
	var went atomic.Int64
	if f.stranger != nil {
		for n := range f.workers {
			all.Go(func() { f.strangers(ctx, by.Address, n, &went) })
		}
	} else {
		conn, channel, err := by.enter()
		if err != nil {
			return err
		}
		for range f.workers {
			all.Go(func() {
				for ctx.Err() == nil && f.caller(conn, channel) == nil {
					went.Add(1)
				}
			})
		}
		defer conn.Close()
		context.AfterFunc(ctx, func() { conn.Close() })
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	cancel()
	all.Wait()
	fmt.Fprintf(os.Stderr, "%s: %d\n", f.name, went.Load())
	if went.Load() == 0 {
		return errors.New("no flood")
	}
	return nil
}

func (f flood) strangers(ctx context.Context, address string, n int, went *atomic.Int64) {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 9, byte(1+n))}, Timeout: time.Second}
	for ctx.Err() == nil {
		if c, err := dialer.DialContext(ctx, "tcp", address); err == nil {
			f.stranger(c)
			c.Close()
			went.Add(1)
		}
	}
}

// enter opens a connection with a session that has not begun.
func (m member) enter() (ssh.Conn, ssh.Channel, error) {
	config, err := m.config()
	if err != nil {
		return nil, nil, err
	}
	conn, err := m.dial(config, net.IPv4(127, 0, 9, 1))
	if err != nil {
		return nil, nil, err
	}
	channel, answers, err := conn.OpenChannel("session", nil)
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	go ssh.DiscardRequests(answers)
	return conn, channel, nil
}
