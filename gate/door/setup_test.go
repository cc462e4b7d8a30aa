package door_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"forkgate/gate/door"
	"forkgate/gate/door/doortest"
)

// place is a door on a loopback port with a fake warden behind it, and a key that the warden knows.
type place struct {
	t      *testing.T
	warden *doortest.Warden
	key    ssh.Signer
	addr   string
	log    *logBuffer
	dir    string
	stop   func() error // closes the door and waits
}

// open opens a door. Its key is known; change adjusts the warden and the configuration before it opens.
func open(t *testing.T, change ...func(*doortest.Warden, *door.Config)) *place {
	t.Helper()
	return openBehind(t, func(l net.Listener) net.Listener { return l }, change...)
}

// openBehind opens a door on a listener that wrap makes of the usual one.
func openBehind(t *testing.T, wrap func(net.Listener) net.Listener, change ...func(*doortest.Warden, *door.Config)) *place {
	t.Helper()
	p := &place{t: t, warden: doortest.New(t), dir: t.TempDir(), log: &logBuffer{}}
	p.key = p.newKey("key")
	p.warden.Know(p.key.PublicKey())
	config := door.Config{
		Dial: door.DialSocket(p.warden.Path), Grace: -1,
		Log: slog.New(slog.NewTextHandler(p.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, c := range change {
		c(p.warden, &config)
	}
	p.warden.Start()
	l, err := door.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.addr = l.Addr().String()
	p.serve(config, wrap(l))
	return p
}

func (p *place) serve(config door.Config, listeners ...net.Listener) {
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- door.Serve(ctx, listeners, config) }()
	p.stop = sync.OnceValue(func() error {
		cancel()
		select {
		case err := <-served:
			return err
		case <-time.After(20 * time.Second):
			p.t.Error("the door does not close")
			return nil
		}
	})
	p.t.Cleanup(func() {
		if err := p.stop(); err != nil {
			p.t.Errorf("Serve: %v", err)
		}
		if strings.Contains(p.log.String(), "panic") {
			p.t.Errorf("a panic:\n%s", p.log.String())
		}
		if p.t.Failed() {
			p.t.Logf("log of the door:\n%s", p.log.String())
		}
	})
}

// newKey writes a key where ssh finds it, as dir/name.
func (p *place) newKey(name string) ssh.Signer {
	p.t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		p.t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		p.t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		p.t.Fatal(err)
	}
	path := filepath.Join(p.dir, name)
	write(p.t, path, string(pem.EncodeToMemory(block)))
	write(p.t, path+".pub", string(ssh.MarshalAuthorizedKey(signer.PublicKey())))
	return signer
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// dial is the x/crypto client.
func (p *place) dial(user string) *ssh.Client {
	p.t.Helper()
	c, err := p.tryDial(user, p.key)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { c.Close() })
	return c
}

func (p *place) tryDial(user string, keys ...ssh.Signer) (*ssh.Client, error) {
	return ssh.Dial("tcp", p.addr, &ssh.ClientConfig{
		User: user, Auth: []ssh.AuthMethod{ssh.PublicKeys(keys...)}, Timeout: 10 * time.Second,
		HostKeyCallback: ssh.FixedHostKey(p.warden.HostKey.PublicKey()),
	})
}

// ssh makes a command of OpenSSH's that goes to the door.
func (p *place) ssh(program string, args ...string) *exec.Cmd {
	return openSSH(p.t, p.dir, p.addr, program, args...)
}

// openSSH makes a command that goes to addr with the key in dir. Nothing of the user's own configuration is read.
func openSSH(t *testing.T, dir, addr, program string, args ...string) *exec.Cmd {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "config-"+rand.Text()) // its own: another test may be reading while this one writes
	write(t, config, "Host host\n HostName "+host+"\n Port "+port+"\n IdentityFile "+filepath.Join(dir, "key")+`
 IdentitiesOnly yes
 IdentityAgent none
 StrictHostKeyChecking no
 UserKnownHostsFile /dev/null
 GlobalKnownHostsFile /dev/null
 LogLevel ERROR
 BatchMode yes
 SendEnv FORKGATE_TEST_* LANG CLAUDECODE
`)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, program, append([]string{"-F", config}, args...)...)
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// outcome is what a client shows.
type outcome struct {
	Code           int
	Stdout, Stderr string
}

func run(t *testing.T, cmd *exec.Cmd, stdin string) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatalf("%v: %v", cmd.Args, err)
	}
	return outcome{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

var quiet = slog.New(slog.DiscardHandler)

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
