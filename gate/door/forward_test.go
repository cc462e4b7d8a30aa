package door_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"forkgate/gate/door"
	"forkgate/tests/need"
)

// What is no forward, or one that there is not, is refused, with words where the protocol has room for them.
func TestNoForwarding(t *testing.T) {
	t.Parallel()
	p := open(t)
	c := p.dial("demo")
	for kind, reason := range map[string]ssh.RejectionReason{
		"direct-tcpip": ssh.ConnectionFailed, "direct-streamlocal@openssh.com": ssh.ConnectionFailed, "tun@openssh.com": ssh.Prohibited,
		"x11": ssh.UnknownChannelType, "auth-agent@openssh.com": ssh.UnknownChannelType, "nonsense": ssh.UnknownChannelType,
	} {
		_, _, err := c.OpenChannel(kind, bytes.Repeat([]byte{0}, 64))
		var refused *ssh.OpenChannelError
		if !errors.As(err, &refused) || refused.Reason != reason {
			t.Errorf("%s: %v", kind, err)
		}
	}
	for _, kind := range []string{
		"tcpip-forward", "cancel-tcpip-forward", "streamlocal-forward@openssh.com", "cancel-streamlocal-forward@openssh.com", "no-more-sessions@openssh.com",
		"hostkeys-prove-00@openssh.com", "nonsense",
	} {
		if ok, _, err := c.SendRequest(kind, true, nil); ok || err != nil {
			t.Errorf("%s: %v, %v", kind, ok, err)
		}
	}
	if ok, _, err := c.SendRequest("keepalive@openssh.com", true, nil); !ok || err != nil {
		t.Errorf("keepalive: %v, %v", ok, err)
	}
}

// Two doors do not share a port, and the error says so in a line.
func TestPortTaken(t *testing.T) {
	t.Parallel()
	p := open(t)
	_, err := door.Listen(p.addr)
	if err == nil || !strings.Contains(err.Error(), "another program has this port") || strings.Contains(err.Error(), "\n") {
		t.Errorf("%v", err)
	}
}

// What a person sees who asks for a forward.
func TestForwardText(t *testing.T) {
	need.Tools(t, "ssh")
	p := open(t)
	got := run(t, p.ssh("ssh", "-l", "demo", "-o", "LogLevel=INFO", "-W", "127.0.0.1:80", "host"), "")
	if got.Code == 0 || !strings.Contains(got.Stderr, "open failed: connect failed: connection refused") {
		t.Errorf("-W: %+v", got)
	}
}

// A display, and an ssh-agent that policy keeps outside stay there, and the client's user hears why: the protocol has no room for that, standard error has.
func TestWhatStaysOutside(t *testing.T) {
	t.Parallel()
	p := open(t)
	c := p.dial("demo")
	s, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if ok, err := s.SendRequest("auth-agent-req@openssh.com", true, nil); !ok || err != nil {
		t.Errorf("%v, %v", ok, err)
	}
	if ok, err := s.SendRequest("x11-req", true, nil); ok || err != nil {
		t.Errorf("X11: %v, %v", ok, err)
	}
	var errs bytes.Buffer
	s.Stderr = &errs
	if err := s.Run("echo $SSH_AUTH_SOCK"); err != nil {
		t.Error(err)
	}
	for _, want := range []string{"forkgate: no ssh-agent here\n", "forkgate: X11 is not forwarded; ports, sockets and ssh-agents are\n"} {
		if !strings.Contains(errs.String(), want) {
			t.Errorf("it hears %q", errs.String())
		}
	}
	opened := p.warden.Seen().Opened
	if len(opened) != 1 || !opened[0].AgentForward {
		t.Errorf("the warden hears %+v", opened)
	}
}
