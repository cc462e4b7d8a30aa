package bench

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// plan is what a driver is to measure. The driver is this test binary again, in the host's network namespace: so that no
// helper program stands between the clock and the client.
type plan struct {
	Kind   string // logins, floor, forks, crowd, attested, hold, floods, flood or transfers
	Config string // ssh_config with the hosts gate and sshd
	Rounds int
	Ours   []member
	Rivals []member

	Transfers []transfer
	Flood     string // by its name
}

// member is one account of a crowd.
type member struct{ Address, User, Key string }

func drive(text string) error {
	var p plan
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return err
	}
	switch p.Kind {
	case "hold":
		return p.hold()
	case "floods":
		return p.floods()
	case "flood":
		return p.flood()
	case "transfers":
		all, err := p.carryAll()
		return errors.Join(err, json.NewEncoder(os.Stdout).Encode(all))
	}
	measure := map[string]func(p plan, n int) (round, error){
		"logins": func(p plan, _ int) (round, error) { return p.pair("demo@gate") },
		"floor":  func(p plan, _ int) (round, error) { return p.least() },
		"forks":  func(p plan, n int) (round, error) { return p.pair(fmt.Sprintf("demo+new%d@gate", n)) },
		"crowd":  plan.crowds,

		"attested": func(p plan, _ int) (round, error) { return p.certified() },
	}[p.Kind]
	var rounds []round
	for n := range p.Rounds {
		r, err := measure(p, n)
		if err != nil {
			return fmt.Errorf("round %d: %w", n, err)
		}
		rounds = append(rounds, r)
	}
	return json.NewEncoder(os.Stdout).Encode(rounds)
}

// pair times one stock ssh to us and one to the rival.
func (p plan) pair(ours string) (r round, err error) {
	if r.Rival, err = p.login("sshd"); err != nil {
		return r, err
	}
	r.Ours, err = p.login(ours)
	return r, err
}

func (p plan) login(to string, options ...string) (time.Duration, error) {
	client := exec.Command("ssh", slices.Concat([]string{"-F", p.Config}, options, []string{to, "true && echo ok"})...)
	start := time.Now()
	out, err := client.CombinedOutput()
	took := time.Since(start)
	if err != nil || string(out) != "ok\n" {
		return 0, fmt.Errorf("ssh %s: %v\n%s", to, err, out)
	}
	return took, nil
}

// least times one stock ssh to us, and one to a server that only does what every one must.
func (p plan) least() (r round, err error) {
	f, err := newFloor()
	if err != nil {
		return r, err
	}
	defer f.listener.Close()
	if r.Rival, err = f.login(p); err != nil {
		return r, err
	}
	r.Ours, err = p.login("demo@gate")
	return r, err
}

// crowds times one crowd of logins at once to us and one to the rival.
func (p plan) crowds(int) (r round, err error) {
	if r.Rival, err = crowd(p.Rivals); err != nil {
		return r, fmt.Errorf("sshd: %w", err)
	}
	if r.Ours, err = crowd(p.Ours); err != nil {
		return r, fmt.Errorf("the gate: %w", err)
	}
	return r, err
}

// crowd has all of its members log in at once and run a command.
func crowd(members []member) (time.Duration, error) {
	configs := make([]*ssh.ClientConfig, len(members))
	for i, m := range members {
		var err error
		if configs[i], err = m.config(); err != nil {
			return 0, err
		}
	}
	errs := make([]error, len(members))
	var all sync.WaitGroup
	start := time.Now()
	for i, m := range members {
		all.Go(func() { errs[i] = m.login(configs[i], i) })
	}
	all.Wait()
	return time.Since(start), errors.Join(errs...)
}

func (m member) config() (*ssh.ClientConfig, error) {
	key, err := os.ReadFile(m.Key)
	if err != nil {
		return nil, err
	}
	signer, err := ssh.ParsePrivateKey(key)
	if err != nil {
		return nil, err
	}
	return &ssh.ClientConfig{
		User: m.User, Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, HostKeyCallback: ssh.InsecureIgnoreHostKey(), // loopback
		Config: ssh.Config{KeyExchanges: []string{"curve25519-sha256"}, Ciphers: []string{"aes128-gcm@openssh.com"}},
	}, nil
}

// dial logs in from an address.
func (m member) dial(config *ssh.ClientConfig, from net.IP) (*ssh.Client, error) {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: from}, Timeout: 30 * time.Second}
	conn, err := dialer.Dial("tcp", m.Address)
	if err != nil {
		return nil, err
	}
	c, channels, requests, err := ssh.NewClientConn(conn, m.Address, config)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return ssh.NewClient(c, channels, requests), nil
}

// login comes from an address of its own: both servers count connections by source.
func (m member) login(config *ssh.ClientConfig, n int) error {
	client, err := m.dial(config, net.IPv4(127, 0, 1, byte(n+1)))
	if err != nil {
		return err
	}
	defer client.Close()
	session, err := client.NewSession()
	if err != nil {
		return err
	}
	var stderr bytes.Buffer
	session.Stderr = &stderr
	out, err := session.Output("true && echo ok")
	if err != nil || strings.TrimSpace(string(out)) != "ok" {
		return fmt.Errorf("%q, %v: %s", out, err, &stderr)
	}
	return nil
}
