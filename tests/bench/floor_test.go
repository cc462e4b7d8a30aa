package bench

import (
	"crypto/ed25519"
	"crypto/rand"
	"net"
	"os/exec"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"
)

// floor is an SSH server that does nothing but what every one must: it lets anybody in and has bash run what is asked. What a
// login to it costs is the client's, the handshake's and the shell's; no gate can be faster, and what ours adds is the difference.
type floor struct {
	listener net.Listener
	config   *ssh.ServerConfig
}

func newFloor() (*floor, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	anybody := func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) { return nil, nil }
	f := &floor{listener, &ssh.ServerConfig{PublicKeyCallback: anybody}}
	f.config.AddHostKey(signer)
	return f, nil
}

// login times one stock ssh to it, which it serves meanwhile.
func (f *floor) login(p plan) (took time.Duration, err error) {
	served := make(chan error, 1)
	go func() { served <- f.serve() }()
	took, err = p.login("gate", "-p", port(f.listener.Addr().String()))
	if err != nil {
		return 0, err
	}
	return took, <-served
}

// serve serves one connection, in which one command is run.
func (f *floor) serve() error {
	tcp, err := f.listener.Accept()
	if err != nil {
		return err
	}
	defer tcp.Close()
	conn, channels, requests, err := ssh.NewServerConn(prompt{tcp.(*net.TCPConn)}, f.config)
	if err != nil {
		return err
	}
	go ssh.DiscardRequests(requests)
	for opened := range channels {
		channel, asked, err := opened.Accept()
		if err != nil {
			return err
		}
		for request := range asked {
			var command struct{ Text string }
			if request.Type != "exec" || ssh.Unmarshal(request.Payload, &command) != nil {
				request.Reply(false, nil)
				continue
			}
			request.Reply(true, nil)
			if err := run(channel, command.Text); err != nil {
				return err
			}
			break
		}
	}
	_ = conn.Wait() // the client has hung up: an error by its nature
	return nil
}

// prompt acknowledges at once what it reads, like the gate: 40 ms are waited for it else.
type prompt struct{ *net.TCPConn }

func (p prompt) Read(b []byte) (int, error) {
	socket, err := p.SyscallConn()
	if err != nil {
		return 0, err
	}
	if err := socket.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1) }); err != nil {
		return 0, err
	}
	return p.TCPConn.Read(b)
}

func run(channel ssh.Channel, command string) error {
	shell := exec.Command("bash", "-c", command)
	shell.Stdout, shell.Stderr = channel, channel.Stderr()
	if err := shell.Run(); err != nil {
		return err
	}
	if _, err := channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Code uint32 }{})); err != nil {
		return err
	}
	return channel.Close()
}
