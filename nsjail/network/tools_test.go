package network

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"

	"forkgate/nsjail"
	"forkgate/nsjail/wire"
	"forkgate/tests/need"
)

// TestMain lets the test binary be the programs that run in the lab's namespaces.
func TestMain(m *testing.M) {
	tool := map[string]func(args []string) error{
		"service": toolService, "join": toolJoin, "serve": toolServe, "try": toolTry, "spoof": toolSpoof, "hold": toolHold, "hold-one": toolHoldOne, "flood": toolFlood,
		"try-all": toolTryAll, "raw6": toolRaw6, "neighbours": toolNeighbours, "advertise": toolAdvertise,
	}[os.Getenv("TEST_NETWORK_TOOL")]
	if tool == nil {
		need.Parallel(m)
		return
	}
	if err := tool(os.Args[1:]); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func ready() error { fmt.Println("ready"); return nil }

// toolLog logs where the test's own output goes, and, where a test wants to read it, into a file as well.
func toolLog() *slog.Logger {
	out := io.Writer(os.Stderr)
	if path := os.Getenv("TEST_NETWORK_LOG"); path != "" {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			panic(err)
		}
		out = io.MultiWriter(out, f)
	}
	return slog.New(slog.NewTextHandler(out, nil))
}

// toolService is forkgate-net.
func toolService(args []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	path := Socket(args[0])
	_ = os.Remove(path)
	socket, err := wire.ListenFile(path, 0o600)
	if err != nil {
		return err
	}
	return Serve(ctx, Config{
		RunDir: args[0], Socket: socket, Range: DefaultRange, Range6: args[1], Log: toolLog(), Ready: ready,
		beforeLinux617: args[2] == "true",
	})
}

// toolJoin is the part of a pod's supervisor that this package has. It ends in order by SIGTERM.
func toolJoin(args []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	var n nsjail.Network
	if err := json.Unmarshal([]byte(args[2]), &n); err != nil {
		return err
	}
	namespace, err := os.Open(args[3])
	if err != nil {
		return err
	}
	defer namespace.Close()
	link, err := Join(ctx, Socket(args[0]), args[1], n, namespace, toolLog())
	if err != nil {
		return errors.New(strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	_ = ready()
	<-ctx.Done()
	return link.Close()
}

var servedPorts = []string{"22", "53", "80", "443", "8443"}

// toolServe answers on every address, by TCP and UDP, with its name and who asked, and prints what it got by UDP.
func toolServe(args []string) error {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return err
	}
	for _, port := range servedPorts {
		l, err := net.Listen("tcp", ":"+port)
		if err != nil {
			return err
		}
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				fmt.Fprintf(c, "%s %s\n", args[0], c.RemoteAddr().(*net.TCPAddr).IP)
				go func() { _, _ = io.Copy(io.Discard, c); c.Close() }()
			}
		}()
		for _, a := range addresses {
			udp, err := net.ListenPacket("udp", net.JoinHostPort(a.(*net.IPNet).IP.String(), port))
			if err != nil {
				continue // an IPv6 link address, which wants a zone
			}
			go func() {
				b := make([]byte, 1500)
				for {
					n, from, err := udp.ReadFrom(b)
					if err != nil {
						return
					}
					fmt.Printf("%s\n", b[:n])
					_, _ = udp.WriteTo(fmt.Appendf(nil, "%s %s\n", args[0], from.(*net.UDPAddr).IP), from)
				}
			}()
		}
	}
	_ = ready()
	time.Sleep(time.Hour)
	return nil
}

// toolTry reaches for an address: "tcp 1.2.3.4:80", "udp 1.2.3.4:53", "ping 1.2.3.4".
func toolTry(args []string) error {
	if args[0] == "ping" && strings.Contains(args[1], ":") {
		return ping(args[1], echo6)
	}
	if args[0] == "ping" {
		return ping(args[1], echo4)
	}
	c, err := net.DialTimeout(args[0], args[1], 2*time.Second)
	if err != nil {
		return kind(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(2 * time.Second))
	if args[0] == "udp" {
		if _, err := c.Write([]byte("from " + c.LocalAddr().String())); err != nil {
			return kind(err)
		}
	}
	b := make([]byte, 100)
	n, err := c.Read(b)
	if err != nil {
		return kind(err)
	}
	fmt.Printf("ok %s", b[:n])
	return nil
}

// kind tells a refusal, which comes at once, from silence.
func kind(err error) error {
	var timeout net.Error
	switch {
	case errors.Is(err, unix.ECONNREFUSED), errors.Is(err, unix.EHOSTUNREACH), errors.Is(err, unix.EACCES), errors.Is(err, unix.ECONNRESET):
		return errors.New("refused")
	case errors.As(err, &timeout) && timeout.Timeout():
		return errors.New("silence")
	}
	return err
}

// echo is what a family calls the messages of ping.
type echo struct {
	network, any                string
	protocol                    int
	request, reply, unreachable icmp.Type
}

var (
	echo4 = echo{"ip4:icmp", "0.0.0.0", unix.IPPROTO_ICMP, ipv4.ICMPTypeEcho, ipv4.ICMPTypeEchoReply, ipv4.ICMPTypeDestinationUnreachable}
	echo6 = echo{"ip6:ipv6-icmp", "::", unix.IPPROTO_ICMPV6, ipv6.ICMPTypeEchoRequest, ipv6.ICMPTypeEchoReply, ipv6.ICMPTypeDestinationUnreachable}
)

func ping(address string, by echo) error {
	c, err := icmp.ListenPacket(by.network, by.any)
	if err != nil {
		return err
	}
	defer c.Close()
	asked := icmp.Message{Type: by.request, Body: &icmp.Echo{ID: os.Getpid() & 0xffff, Data: []byte("x")}}
	b, err := asked.Marshal(nil)
	if err != nil {
		return err
	}
	if _, err := c.WriteTo(b, &net.IPAddr{IP: net.ParseIP(address)}); err != nil {
		return kind(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(2 * time.Second))
	for b = make([]byte, 1500); ; {
		n, from, err := c.ReadFrom(b)
		if err != nil {
			return kind(err)
		}
		m, err := icmp.ParseMessage(by.protocol, b[:n])
		if err != nil {
			return err
		}
		switch {
		case m.Type == by.unreachable:
			return errors.New("refused")
		case m.Type == by.reply && from.String() == address:
			fmt.Println("ok " + address)
			return nil
		}
	}
}

// toolSpoof sends one UDP datagram with a source address of its own choice: FROM TO PORT TEXT.
func toolSpoof(args []string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_RAW)
	if err != nil {
		return err
	}
	from, to, text := net.ParseIP(args[0]).To4(), net.ParseIP(args[1]).To4(), args[3]
	var port uint16
	if _, err := fmt.Sscan(args[2], &port); err != nil {
		return err
	}
	packet := make([]byte, 28, 28+len(text))
	packet[0], packet[8], packet[9] = 0x45, 64, unix.IPPROTO_UDP
	copy(packet[12:], from)
	copy(packet[16:], to)
	binary.BigEndian.PutUint16(packet[20:], 5555)
	binary.BigEndian.PutUint16(packet[22:], port)
	binary.BigEndian.PutUint16(packet[24:], uint16(8+len(text)))
	packet = append(packet, text...)
	if err := unix.Sendto(fd, packet, 0, &unix.SockaddrInet4{Addr: [4]byte(to)}); err != nil {
		return err
	}
	return ready()
}

// toolHold makes so many connections to an address, or until one fails, prints how many it got, and holds them.
func toolHold(args []string) error {
	var held []net.Conn
	most, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	for len(held) < most {
		c, err := net.DialTimeout("tcp", args[0], 2*time.Second)
		if err != nil {
			break
		}
		held = append(held, c)
		time.Sleep(5 * time.Millisecond) // slower than the limit of new ones
	}
	fmt.Println(len(held))
	time.Sleep(time.Hour)
	return nil
}

// toolHoldOne makes a connection, and says whether it lives: at first, and again for each line that it is given. The other side sends
// back nothing, so what is asked is whether what was sent is acknowledged.
func toolHoldOne(args []string) error {
	c, err := net.Dial("tcp", args[0])
	if err != nil {
		return err
	}
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		return err
	}
	for lines := bufio.NewScanner(os.Stdin); ; {
		if _, err := c.Write([]byte("x")); err != nil {
			return err
		}
		said := "not acknowledged"
		for range 200 {
			unacknowledged := -1
			if err := raw.Control(func(fd uintptr) { unacknowledged, _ = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) }); err != nil {
				return err
			}
			if unacknowledged == 0 {
				said = "ok"
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
		fmt.Println(said)
		if !lines.Scan() {
			return nil
		}
	}
}

// toolFlood sends a datagram each from so many ports to an address, as fast as it can, and prints how many it was told were refused.
func toolFlood(args []string) error {
	many, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	refused := 0
	for port := range many {
		c, err := net.DialUDP("udp", &net.UDPAddr{Port: 10000 + port}, &net.UDPAddr{IP: net.ParseIP(args[0]), Port: 443})
		if err != nil {
			return err
		}
		_, first := c.Write([]byte("flood"))
		_, second := c.Write([]byte("flood")) // an ICMP error to the first comes with the second
		if first != nil || second != nil {
			refused++
		}
		c.Close()
	}
	fmt.Println(refused)
	return nil
}
