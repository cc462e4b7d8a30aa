package succession_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"forkgate/gate/succession"
)

// heirDoes is what this test binary does where it is a successor.
const heirDoes = "FORKGATE_SUCCESSION_TEST"

func TestMain(m *testing.M) {
	if os.Getenv(heirDoes) == "" {
		m.Run()
		return
	}
	if err := heir(); err != nil {
		fmt.Fprintln(os.Stderr, "the successor:", err)
		os.Exit(1)
	}
}

// heir greets who connects, until somebody says that it is enough.
func heir() error {
	h, err := succession.Born()
	if err != nil || h == nil {
		return fmt.Errorf("it is nobody's: %w", err)
	}
	if again, _ := succession.Born(); again != nil {
		return errors.New("it was born twice")
	}
	sockets, err := h.Take()
	if err != nil {
		return err
	}
	switch os.Getenv(heirDoes) {
	case "ends":
		return nil
	case "hangs":
		_, _ = sockets["enough"][0].Accept() // the test's own
		return nil
	case "refuses":
		h.Refuse(errors.New("it does not like it here"))
		return nil
	}
	if err := h.Serve(); err != nil {
		return err
	}
	go greet(sockets["greets"][0], "the successor")
	_, err = sockets["enough"][0].Accept()
	return err
}

func greet(l net.Listener, name string) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		_, _ = io.WriteString(c, name+"\n")
		c.Close()
	}
}

// place is somewhere to listen, with who greets there.
type place struct {
	sockets succession.Sockets
	config  succession.Config
	path    string
}

func newPlace(t *testing.T, does string) *place {
	t.Helper()
	t.Setenv(heirDoes, does)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &place{sockets: succession.Sockets{}, config: succession.Config{Program: self, Args: []string{self}}, path: filepath.Join(t.TempDir(), "greets")}
	for name, path := range map[string]string{"greets": p.path, "enough": p.path + "-enough"} {
		l, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		p.sockets[name] = []net.Listener{l}
	}
	t.Cleanup(func() { // an Accept of the successor's, or nobody's
		if c, err := net.Dial("unix", p.path+"-enough"); err == nil {
			c.Close()
		}
	})
	return p
}

func (p *place) greeting() (string, error) {
	c, err := net.Dial("unix", p.path)
	if err != nil {
		return "", err
	}
	defer c.Close()
	line, err := bufio.NewReader(c).ReadString('\n')
	return strings.TrimSpace(line), err
}

// Whoever connects is greeted, at each moment.
func TestSucceed(t *testing.T) {
	p := newPlace(t, "well")
	named := 0
	p.config.Announce = func(pid int) error { named = pid; return nil }
	var over atomic.Bool
	var knocking sync.WaitGroup
	knocking.Go(func() {
		for !over.Load() {
			if _, err := p.greeting(); err != nil {
				t.Errorf("nobody greets: %v", err)
				return
			}
		}
	})
	go greet(p.sockets["greets"][0], "the first")
	pid, err := succession.Succeed(t.Context(), p.sockets, p.config)
	if err != nil || pid != named || pid == os.Getpid() {
		t.Errorf("it is succeeded by %d, named %d: %v", pid, named, err)
	}
	p.sockets["greets"][0].Close()
	for range 50 {
		if who, err := p.greeting(); err != nil || who != "the successor" {
			t.Fatalf("after it %q greets: %v", who, err)
		}
	}
	over.Store(true)
	knocking.Wait()
}

// What does not become a successor changes nothing.
func TestNobodySucceeds(t *testing.T) {
	for does, want := range map[string]string{"ends": "it ended before it was ready", "refuses": "it does not like it here", "hangs": "it was not ready in time"} {
		t.Run(does, func(t *testing.T) {
			p := newPlace(t, does)
			p.config.Patience = 10 * time.Second
			if does == "hangs" {
				p.config.Patience = 300 * time.Millisecond
			}
			p.config.Announce = func(int) error { t.Error("it was named"); return nil }
			go greet(p.sockets["greets"][0], "the first")
			if _, err := succession.Succeed(t.Context(), p.sockets, p.config); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %q", err, want)
			}
			if who, err := p.greeting(); err != nil || who != "the first" {
				t.Errorf("after it %q greets: %v", who, err)
			}
		})
	}
	p := newPlace(t, "well")
	p.config.Announce = func(int) error { return errors.New("nobody hears") }
	if _, err := succession.Succeed(t.Context(), p.sockets, p.config); err == nil || !strings.Contains(err.Error(), "nobody hears") {
		t.Errorf("got %v", err)
	}
	p.config.Program = filepath.Join(t.TempDir(), "none")
	if _, err := succession.Succeed(t.Context(), p.sockets, p.config); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// Who asks hears what came of it, and may ask again until it has worked.
func TestAsk(t *testing.T) {
	name := fmt.Sprintf("forkgate-succession-test-%d", os.Getpid())
	if err := succession.Ask(name); err == nil || !strings.Contains(err.Error(), "nobody runs here that can be succeeded") {
		t.Errorf("where nobody is: %v", err)
	}
	l, err := succession.Listen(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := succession.Listen(name); err == nil {
		t.Error("two listen at one place")
	}
	times := 0
	over := make(chan struct{})
	go func() {
		defer close(over)
		succession.Await(t.Context(), l, func(context.Context) error {
			if times++; times == 1 {
				return errors.New("not today")
			}
			return nil
		})
	}()
	if err := succession.Ask(name); err == nil || err.Error() != "not today" {
		t.Errorf("the first time: %v", err)
	}
	if err := succession.Ask(name); err != nil {
		t.Errorf("the second time: %v", err)
	}
	<-over
	if err := succession.Ask(name); err == nil {
		t.Error("who has been succeeded is asked again")
	}
}
