package systemd

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Ready tells systemd that this service is up (sd_notify(3)). Started by hand, with nobody to tell, it does nothing.
func Ready() error { return notify(daemon.SdNotifyReady) }

// Stopping tells systemd that this service is on its way down.
func Stopping() error { return notify(daemon.SdNotifyStopping) }

// Status gives one line on how this service does; systemctl status shows it.
func Status(line string) error { return notify("STATUS=" + oneLine(line)) }

// Watched reports whether systemd listens to this process.
func Watched() bool { return os.Getenv("NOTIFY_SOCKET") != "" }

// barrier is how long systemd may take to read what it was told.
const barrier = 5 * time.Second

// MainPID tells systemd that another process of this service is its main one, and returns when systemd has read that, or has had time to: from then on
// it does not listen to this one, so that there is no way back. An error says that it was not told. Where nobody listens it does nothing.
func MainPID(pid int) error {
	if !Watched() {
		return nil
	}
	if err := notify(fmt.Sprintf("MAINPID=%d", pid)); err != nil {
		return err
	}
	_ = readAll(os.Getenv("NOTIFY_SOCKET"))
	return nil
}

// readAll returns when systemd has read all that was sent to it before: it closes the descriptor that comes with a barrier (sd_notify(3), since
// systemd 246).
func readAll(socket string) error {
	ours, theirs, err := os.Pipe()
	if err != nil {
		return err
	}
	defer ours.Close()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = unix.Sendmsg(fd, []byte("BARRIER=1"), unix.UnixRights(int(theirs.Fd())), &unix.SockaddrUnix{Name: socket}, unix.MSG_NOSIGNAL)
		unix.Close(fd)
	}
	if err = errors.Join(err, theirs.Close(), ours.SetReadDeadline(time.Now().Add(barrier))); err != nil {
		return err
	}
	if _, err := ours.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

func notify(state string) error {
	if _, err := daemon.SdNotify(false, state); err != nil {
		return fmt.Errorf("cannot notify systemd: %w", err)
	}
	return nil
}

// oneLine keeps a status from carrying further assignments.
func oneLine(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c < ' ' {
			b[i] = ' '
		}
	}
	return string(b)
}
