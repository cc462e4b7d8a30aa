package upgrade_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"forkgate/tests/host"
	"forkgate/tests/need"
)

// stream prints the same 4 KiB until somebody makes the file go, about ten times a second, and then how often it did. It starts no process for that.
const stream = `exec 3<> <(:); s=$(printf %4095s | tr " " x); n=0; until [ -e go ]; do echo $s; n=$((n + 1)); read -t 0.1 -u 3; done; echo "after $n"`

// client is one under way.
type client struct {
	name  string
	ended chan error
	begun func() bool
	check func() error // once it has ended well
}

// start starts a client whose standard output goes to out.
func start(t *testing.T, name string, c *exec.Cmd, out io.Writer) *client {
	t.Helper()
	said := new(bytes.Buffer)
	c.Stdout, c.Stderr = out, said
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	one := &client{name: name, ended: make(chan error, 1), check: func() error { return nil }}
	go func() {
		err := c.Wait()
		if err != nil {
			err = fmt.Errorf("%w: %s", err, said)
		}
		one.ended <- err
	}()
	return one
}

func (c *client) runs() bool {
	select {
	case err := <-c.ended:
		c.ended <- err
		return false
	default:
		return true
	}
}

// finish waits until it has ended, and says what is wrong with how.
func (c *client) finish(t *testing.T) {
	t.Helper()
	err := <-c.ended
	if err == nil {
		err = c.check()
	}
	if err != nil {
		t.Errorf("%s: %v", c.name, err)
	}
}

// watched reads what stream prints, and says whether it is that.
type watched struct {
	part  bytes.Buffer
	lines atomic.Int64
	wrong atomic.Pointer[string]
	last  string
}

func (w *watched) Write(p []byte) (int, error) {
	w.part.Write(p)
	for {
		line, err := w.part.ReadString('\n')
		if err != nil {
			w.part.Reset()
			w.part.WriteString(line)
			return len(p), nil
		}
		switch line = strings.TrimRight(line, "\r\n"); {
		case len(line) == 4095 && strings.Trim(line, "x") == "" && w.last == "":
			w.lines.Add(1)
		case strings.HasPrefix(line, "after ") && w.last == "":
			w.last = line
		default:
			w.wrong.CompareAndSwap(nil, &line)
		}
	}
}

func (w *watched) check() error {
	if wrong := w.wrong.Load(); wrong != nil {
		return fmt.Errorf("it printed %.100q", *wrong)
	}
	if want := fmt.Sprintf("after %d", w.lines.Load()); w.last != want {
		return fmt.Errorf("the last line is %q, not %q", w.last, want)
	}
	return nil
}

// streams starts a session that prints until go is there.
func (s *stage) streams(t *testing.T, ctx context.Context, number int, to string, options ...string) *client {
	t.Helper()
	w := new(watched)
	c := start(t, fmt.Sprintf("session %d, %s %q", number, to, options), s.SSH(ctx, append(options, to, stream)...), w)
	c.begun, c.check = func() bool { return w.lines.Load() > 2 }, w.check
	return c
}

// transfers are copies that take some twenty-five seconds, longer than any upgrade, both ways, by both protocols.
func (s *stage) transfers(t *testing.T, ctx context.Context) (all []*client) {
	t.Helper()
	for _, way := range []struct {
		name, arrives string // a file of this side's, or a pattern of the fork's
		argv          []string
	}{
		{"scp down", "scp-down", []string{"scp", "-F", s.Config, "-l", limit, "demo+load@bot:big", "scp-down"}},
		{"scp -O down", "scp-O-down", []string{"scp", "-O", "-F", s.Config, "-l", limit, "demo+load@bot:big", "scp-O-down"}},
		{"sftp down", "sftp-down", []string{"sh", "-c", `echo get big sftp-down | exec sftp -F "$0" -l "$1" -b - demo+load@bot`, s.Config, limit}},
		{"scp up", "scp-u[p]", []string{"scp", "-F", s.Config, "-l", limit, "big", "demo+load@bot:scp-up"}},
		{"rsync up", ".rsync-up.*", []string{"rsync", "--bwlimit=500", "-e", "ssh -F " + s.Config, "big", "demo+load@bot:rsync-up"}},
	} {
		c := s.Client(ctx, way.argv...)
		c.Dir = s.dir
		one := start(t, way.name, c, io.Discard)
		one.begun = func() bool { return s.SSH(ctx, "demo+load@bot", "test -s "+way.arrives).Run() == nil }
		if file := filepath.Join(s.dir, way.arrives); !strings.HasSuffix(way.name, " up") {
			one.begun = func() bool { st, err := os.Stat(file); return err == nil && st.Size() > 0 }
			one.check = func() error { return same(file, s.sum) }
		}
		all = append(all, one)
	}
	return all
}

// limit is for scp and sftp: kbit/s.
const limit = "4000"

func same(file, sum string) error {
	data, err := os.ReadFile(file)
	if err == nil && sumOf(data) != sum {
		err = fmt.Errorf("%s is not what was sent", file)
	}
	return err
}

func sumOf(data []byte) string { return fmt.Sprintf("%x", sha256.Sum256(data)) }

// forward carries what stream prints by a forwarded port of the fork's.
func (s *stage) forward(t *testing.T, ctx context.Context) (all []*client) {
	t.Helper()
	socket := filepath.Join(s.dir, "forwarded")
	const server = `import socket, sys
s = socket.create_server(("127.0.0.1", 8000))
c = s.accept()[0]
while b := sys.stdin.buffer.read1(65536): c.sendall(b)`
	serves := start(t, "the server in the fork", s.SSH(ctx, "demo+load@bot", "("+stream+") | python3 -c '"+server+"'"), io.Discard)
	serves.begun = serves.runs
	tunnel, cancel := context.WithCancel(ctx)
	t.Cleanup(cancel)
	start(t, "ssh -N -L", s.SSH(tunnel, "-N", "-L", socket+":localhost:8000", "demo+load@bot"), io.Discard)
	var conn net.Conn
	w := new(watched)
	need.Eventually(t, "something comes by the forward", func() bool {
		var err error
		if conn, err = net.Dial("unix", socket); err != nil {
			return false
		}
		one := make([]byte, 1)
		if _, err := conn.Read(one); err != nil { // nobody listens there yet
			conn.Close()
			return false
		}
		_, _ = w.Write(one)
		return true
	})
	carries := &client{name: "what the forward carries", ended: make(chan error, 1), begun: func() bool { return w.lines.Load() > 2 }, check: w.check}
	go func() {
		_, err := io.Copy(w, conn)
		carries.ended <- err
	}()
	return []*client{serves, carries}
}

// visit has somebody new come in all the time, until the returned function is called, which says how many did.
func (s *stage) visit(t *testing.T) (end func() int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	came, over := 0, make(chan struct{})
	t.Cleanup(func() { cancel(); <-over })
	go func() {
		defer close(over)
		for ctx.Err() == nil {
			if out, err := s.SSH(context.WithoutCancel(ctx), "demo+load@bot", "echo in").CombinedOutput(); err != nil || string(out) != "in\n" {
				t.Errorf("visitor %d did not get in: %v, %s", came, err, out)
			}
			came++
		}
	}()
	return func() int { cancel(); <-over; return came }
}

// knock connects all the time, and wants to be greeted each time.
func (s *stage) knock(t *testing.T) (end func() int) {
	t.Helper()
	program := filepath.Join(s.dir, "knock.py")
	if err := os.WriteFile(program, []byte(knocking), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	c := s.Client(ctx, "python3", program, host.Address, host.Port)
	stop, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out := new(bytes.Buffer)
	c.Stdout, c.Stderr = out, out
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return func() (n int) {
		stop.Close()
		if err := c.Wait(); err != nil {
			t.Errorf("somebody who knocked was not greeted: %v, %s", err, out)
		}
		cancel()
		_, _ = fmt.Sscan(out.String(), &n)
		return n
	}
}

// knocking stays until the gate has spoken, as who leaves before costs the source its places; a key exchange it has none.
const knocking = `import select, socket, sys
n = 0
while not select.select([sys.stdin], [], [], 0.05)[0]:
    with socket.create_connection((sys.argv[1], int(sys.argv[2])), 20) as c:
        if not c.recv(100).startswith(b"SSH-2.0-"): sys.exit("no greeting")
    n += 1
print(n)`
