package door_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"forkgate/gate/door"
	"forkgate/gate/door/doortest"
	"forkgate/tests/need"
)

// noise is so much that does not repeat itself.
func noise(bytes int64) io.Reader { return io.LimitReader(rand.NewChaCha8([32]byte{1}), bytes) }

// Keys change under load, both ways at once, whoever wants it: what goes through is what comes out. The control has none but the first keys.
func TestNewKeysUnderLoad(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		much      int64
		limit     string
		threshold uint64
		most      int
	}{
		"client":  {200 << 20, "1M", 0, 1 << 20},
		"server":  {32 << 20, "default", 1 << 20, 1 << 20},
		"both":    {32 << 20, "3M", 2 << 20, 1 << 20},
		"control": {32 << 20, "default", 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			p := open(t, func(_ *doortest.Warden, c *door.Config) { c.Rekey = test.threshold })
			c := p.ssh("ssh", "-o", "RekeyLimit="+test.limit, "demo@host", "cat")
			got, want := sha256.New(), sha256.New()
			_, _ = io.Copy(want, noise(test.much))
			var stderr bytes.Buffer
			c.Stdin, c.Stdout, c.Stderr = noise(test.much), got, &stderr
			if err := c.Run(); err != nil || !bytes.Equal(got.Sum(nil), want.Sum(nil)) {
				t.Errorf("what came back is another thing: %v, %s", err, &stderr)
			}
			n := p.warden.Seen().Signed
			t.Logf("%d key exchanges", n)
			if n > test.most || test.most > 1 && n < 10 {
				t.Errorf("%d key exchanges", n)
			}
		})
	}
}

// A client that begins to change keys and says nothing more is silent.
func TestAHalfDoneKeyExchange(t *testing.T) {
	t.Parallel()
	p := open(t, func(_ *doortest.Warden, c *door.Config) { c.KeepAlive = time.Second })
	r := p.raw()
	r.open()
	r.request("exec", ssh.Marshal(execReq{"cat /dev/zero"}))
	need.Eventually(t, "the session runs", func() bool { return p.warden.Seen().Running == 1 })
	r.send(r.kexInit())
	need.Eventually(t, "the session has ended", func() bool { return p.warden.Seen().Running == 0 })
}

// raw is a client that has logged in.
func (p *place) raw() *rawClient {
	p.t.Helper()
	r := dialRaw(p.t, p.addr)
	if !r.prove("demo", p.key, p.key) {
		p.t.Fatal("not let in")
	}
	return r
}

// Whatever does not keep to the limits of the protocol ends its own connection, and disturbs no other one.
func TestBeyondLimits(t *testing.T) {
	t.Parallel()
	adjust := func(by uint32) []byte {
		return ssh.Marshal(struct {
			Channel uint32 `sshtype:"93"`
			By      uint32
		}{0, by})
	}
	data := func(size int) []byte {
		return ssh.Marshal(struct {
			Channel uint32 `sshtype:"94"`
			Data    string
		}{0, strings.Repeat("x", size)})
	}
	for name, send := range map[string]func(*rawClient) error{
		"a window past 2^32": func(r *rawClient) error { r.send(adjust(1<<32 - 1)); return r.trySend(adjust(1<<32 - 1)) },
		"more than the window": func(r *rawClient) (err error) {
			for n := 0; n < 1000 && err == nil; n++ {
				err = r.trySend(data(32 << 10))
			}
			return nil
		},
		"data larger than a packet may be": func(r *rawClient) error { return r.trySend(data(100 << 10)) },
		"a packet larger than any":         func(r *rawClient) error { return r.trySend(data(300 << 10)) },
		"a length of 2^32 - 1":             func(r *rawClient) error { _, err := r.conn.Write(bytes.Repeat([]byte{0xff}, 64)); return err },
		"data for no channel": func(r *rawClient) error {
			return r.trySend(ssh.Marshal(struct {
				Channel uint32 `sshtype:"94"`
				Data    string
			}{77, "x"}))
		},
		"a channel that is closed twice": func(r *rawClient) error {
			end := ssh.Marshal(struct {
				Channel uint32 `sshtype:"97"`
			}{77})
			r.send(end)
			return r.trySend(end)
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := open(t)
			bystander := p.session(p.dial("demo"))
			r := p.raw()
			r.open()
			r.request("exec", ssh.Marshal(execReq{"exec sleep 1000"}))
			need.Eventually(t, "the session runs", func() bool { return p.warden.Seen().Running == 1 })
			if err := send(r); err != nil {
				t.Fatal(err)
			}
			need.Eventually(t, "the session has ended", func() bool { return p.warden.Seen().Running == 0 })
			mustRequest(t, bystander, "exec", execReq{"echo fine"})
			if got := readAll(t, bystander); got != "fine\n" {
				t.Errorf("the bystander: %q", got)
			}
		})
	}
}

// The smallest packets and windows that there can be carry everything, in order: a window of nothing holds output up, and each byte of it lets one through.
func TestSmallestPacketsAndWindows(t *testing.T) {
	t.Parallel()
	p := open(t)
	r := p.raw()
	r.openWith(0, 9) // x/crypto takes no less
	r.request("exec", ssh.Marshal(execReq{"seq 1 200"}))
	want := ""
	for n := range 200 {
		want += fmt.Sprintln(n + 1)
	}
	got := ""
	for len(got) < len(want) {
		r.send(ssh.Marshal(struct {
			Channel uint32 `sshtype:"93"`
			By      uint32
		}{0, uint32(min(1+len(got)%20, len(want)-len(got)))}))
		for grant := min(1+len(got)%20, len(want)-len(got)); grant > 0; {
			var m struct {
				Channel uint32 `sshtype:"94"`
				Data    string
			}
			if err := ssh.Unmarshal(r.expect(94), &m); err != nil {
				t.Fatal(err)
			}
			if len(m.Data) > 9 || len(m.Data) > grant {
				t.Fatalf("%d bytes at once, where there is room for %d", len(m.Data), grant)
			}
			got += m.Data
			grant -= len(m.Data)
		}
	}
	if got != want {
		t.Errorf("%q", got)
	}
}

// Clients that never read hold what the kernel buffers, and in the gate little more than a buffer each, however wide their windows are.
func TestClientsThatNeverRead(t *testing.T) {
	const many = 8
	p := openBehind(t, func(l net.Listener) net.Listener { return narrow{l} })
	before := heapNow()
	for range many {
		r := p.raw()
		_ = r.conn.(*net.TCPConn).SetReadBuffer(4 << 10)
		r.openWith(1<<32-1, 1<<31-1)
		r.request("exec", ssh.Marshal(execReq{"cat /dev/zero"}))
	}
	need.Eventually(t, "they run", func() bool { return p.warden.Seen().Running == many })
	p.login()
	held := (heapNow() - before) / many
	t.Logf("%d KiB each", held>>10)
	if held > 1<<20 {
		t.Errorf("each holds %d bytes", held)
	}
}
