package systemd_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"forkgate/systemd"
	"forkgate/tests/machine"
)

// asService is set where this test binary is the main process of a service.
const asService = "FORKGATE_SYSTEMD_TEST_SERVICE"

func TestService(t *testing.T) {
	if os.Getenv(asService) != "" {
		service(t)
		return
	}
	if !machine.Within(t) {
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	install(t, "fg-seq.socket", "[Socket]\nListenSequentialPacket=/run/fg-seq.sock\nService=fg-main.service\nFileDescriptorName=seq\n")
	install(t, "fg-stream.socket", "[Socket]\nListenStream=/run/fg-stream.sock\nService=fg-main.service\nFileDescriptorName=stream\n")
	install(t, "fg-main.service", "[Unit]\nRequires=fg-seq.socket fg-stream.socket\nAfter=fg-seq.socket fg-stream.socket\n"+
		"[Service]\nType=notify\nEnvironment="+asService+"=yes\nExecStart="+self+" -test.run=^TestService$\n")
	sh(t, "systemctl daemon-reload && systemctl start fg-main.service")

	if got := strings.TrimSpace(sh(t, "systemctl show --property=StatusText --value fg-main.service")); got != "serving READY=0" {
		t.Errorf("the status is %q", got)
	}
	for kind, path := range map[string]string{"unixpacket": "/run/fg-seq.sock", "unix": "/run/fg-stream.sock"} {
		c, err := net.Dial(kind, path)
		if err != nil {
			t.Fatal(err)
		}
		answer := make([]byte, 100)
		n, err := c.Read(answer)
		if want := "hello on " + kind; err != nil || string(answer[:n]) != want {
			t.Errorf("%s: %q, %v; want %q", path, answer[:n], err, want)
		}
		c.Close()
	}
	sh(t, "journalctl --sync")
	got := sh(t, "journalctl -o verbose SYSLOG_IDENTIFIER=forkgate FORKGATE_SESSION=s1")
	for _, want := range []string{
		"PRIORITY=4\n", `MESSAGE=refused session=s1 door.ref="demo+x\nFORKGATE_SESSION=s2" door.code=254` + "\n", "FORKGATE_DOOR_CODE=254\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the journal lacks %q:\n%s", want, got)
		}
	}
	if got := sh(t, "journalctl -q SYSLOG_IDENTIFIER=forkgate FORKGATE_SESSION=s2; journalctl -q FORKGATE_X=1"); got != "" {
		t.Errorf("a value made a record or a field of its own: %s", got)
	}
}

// service is the service's side of the test.
func service(t *testing.T) {
	sockets := systemd.Inherited()
	stream, err := sockets.Listener("stream")
	if err != nil {
		t.Fatal(err)
	}
	file, err := sockets.Take("seq")
	if err != nil {
		t.Fatal(err)
	}
	packets, err := net.FileListener(file)
	if err != nil {
		t.Fatal(err)
	}
	log := systemd.Log(os.Stderr, slog.LevelInfo).With("session", "s1").WithGroup("door")
	log.Debug("not this")
	log.Warn("refused", "ref", "demo+x\nFORKGATE_SESSION=s2", "code", 254)
	log.Info("a key of many fields", "x\nFORKGATE_X", "1\n")
	if err := errors.Join(systemd.Status("serving\nREADY=0"), systemd.Ready()); err != nil {
		t.Fatal(err)
	}
	for _, l := range []net.Listener{packets, stream} {
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = io.WriteString(c, "hello on "+l.Addr().Network())
				c.Close()
			}
		}()
	}
	time.Sleep(time.Minute) // killed with the machine
}

func TestWithoutSystemd(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	t.Setenv("LISTEN_PID", "")
	t.Setenv("JOURNAL_STREAM", "")
	if err := errors.Join(systemd.Ready(), systemd.Status("x"), systemd.Stopping()); err != nil {
		t.Error(err)
	}
	if _, err := systemd.Inherited().Take("ssh"); !errors.Is(err, systemd.ErrNoSocket) {
		t.Errorf("a socket from nowhere: %v", err)
	}
	if _, err := systemd.Inherited().Listener("ssh"); !errors.Is(err, systemd.ErrNoSocket) {
		t.Errorf("a listener from nowhere: %v", err)
	}
	var out bytes.Buffer
	systemd.Log(&out, slog.LevelInfo).Info("hello", "session", "s1")
	if got := out.String(); !strings.Contains(got, "msg=hello session=s1") {
		t.Errorf("logged %q", got)
	}
}

// Sockets that systemd meant for another process are not taken.
func TestSocketsOfAnother(t *testing.T) {
	t.Setenv("LISTEN_PID", fmt.Sprint(os.Getppid()))
	t.Setenv("LISTEN_FDS", "1")
	t.Setenv("LISTEN_FDNAMES", "ssh")
	if _, err := systemd.Inherited().Take("ssh"); !errors.Is(err, systemd.ErrNoSocket) {
		t.Errorf("took another's socket: %v", err)
	}
}

func TestNotify(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	for want, say := range map[string]func() error{
		"READY=1": systemd.Ready, "STOPPING=1": systemd.Stopping,
		"STATUS=a b": func() error { return systemd.Status("a\nb") },
	} {
		if err := say(); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 100)
		n, err := l.Read(got)
		if err != nil || string(got[:n]) != want {
			t.Errorf("got %q, %v; want %q", got[:n], err, want)
		}
	}
}

// MainPID returns once systemd has read what it was told before, which it shows by closing what comes with a barrier.
func TestMainPID(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	if err := systemd.MainPID(1); err != nil || systemd.Watched() {
		t.Errorf("where nobody listens: %v", err)
	}
	path := filepath.Join(t.TempDir(), "notify")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	told := make(chan error, 1)
	go func() { told <- systemd.MainPID(4711) }()
	var files []int
	for _, want := range []string{"MAINPID=4711", "BARRIER=1"} {
		text, rights := make([]byte, 100), make([]byte, 100)
		n, many, _, _, err := l.ReadMsgUnix(text, rights)
		if err != nil || string(text[:n]) != want {
			t.Fatalf("got %q, %v; want %q", text[:n], err, want)
		}
		messages, _ := unix.ParseSocketControlMessage(rights[:many])
		for _, m := range messages {
			if fds, err := unix.ParseUnixRights(&m); err == nil {
				files = append(files, fds...)
			}
		}
	}
	select {
	case err := <-told:
		t.Errorf("it does not wait: %v", err)
	default:
	}
	if len(files) != 1 {
		t.Fatalf("%d descriptors came", len(files))
	}
	unix.Close(files[0])
	if err := <-told; err != nil {
		t.Error(err)
	}
}

func TestInstance(t *testing.T) {
	const template = "forkgate-pod@.service"
	unit, err := systemd.Instance(template, "0b1f-2c")
	if err != nil || unit != "forkgate-pod@0b1f-2c.service" {
		t.Errorf("got %q, %v", unit, err)
	}
	if i, ok := systemd.InstanceOf(template, unit); !ok || i != "0b1f-2c" {
		t.Errorf("back comes %q, %t", i, ok)
	}
	for _, bad := range []string{"", "-a", "a/b", "a b", "a@b", "..", "*", "a\n", "ä", `a\x2d`, strings.Repeat("a", 201)} {
		if unit, err := systemd.Instance(template, bad); err == nil {
			t.Errorf("%q became %q", bad, unit)
		}
	}
	for _, other := range []string{"forkgate-pod.service", "sshd@a.service", "forkgate-pod@a.socket"} {
		if i, ok := systemd.InstanceOf(template, other); ok {
			t.Errorf("%s is instance %q", other, i)
		}
	}
}
