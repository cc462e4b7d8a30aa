package inside

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"forkgate/nsjail/wire"
)

// daemon keeps the pod's Docker daemon. It is started when somebody first connects to its socket, and started again when it dies: its
// containers live on meanwhile (live-restore). One that does not stay up is tried less and less often, and who connects in between is
// told so.
type daemon struct {
	guid   string
	socket *os.File // nobody accepts on it here but to refuse
	log    *os.File

	pid     int // 0: it does not run
	started time.Time
	rest    time.Duration // how long to wait after it died before its time
	rested  time.Time     // and until when
	wanted  chan error    // somebody connected, and waits
	ready   bool          // what it needs has been prepared

	refused sync.WaitGroup // those who are being told that it does not start
}

const (
	// lasting is how long a daemon has to run for its death to be no failure to start.
	lasting = 10 * time.Second
	// longestRest is how long one that fails to start, again and again, is left alone.
	longestRest = time.Minute
)

func newDaemon(guid string) (*daemon, error) {
	socket, err := wire.Pollable(os.NewFile(fdDocker, "docker.sock"))
	if err != nil {
		return nil, err
	}
	return &daemon{guid: guid, socket: socket, log: os.NewFile(fdDockerLog, "log"), wanted: make(chan error, 1)}, nil
}

// keep runs the daemon when it is needed, and reaps, until it is told to stop.
func (d *daemon) keep(now bool, children <-chan os.Signal, stop <-chan error) error {
	again := time.NewTimer(longestRest)
	again.Stop()
	if now {
		d.start()
	}
	if d.pid == 0 {
		d.listen()
	}
	for {
		select {
		case err := <-stop:
			d.end(children)
			return err
		case <-children:
			if d.reap() {
				d.died(again)
			}
		case <-again.C:
			d.start()
		case err := <-d.wanted:
			if err != nil {
				return err
			}
			if time.Now().Before(d.rested) {
				d.refuse()
				d.listen()
			} else if d.pid == 0 {
				d.start()
			}
		}
	}
}

// listen has wanted told of the next connection. It leaves the connection to the daemon.
func (d *daemon) listen() {
	go func() {
		d.wanted <- whenReady(d.socket, func(fd int) error {
			n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
			if err == nil && n == 0 {
				err = unix.EAGAIN
			}
			return err
		})
	}()
}

// start starts the daemon. One that cannot be started has died at once.
func (d *daemon) start() {
	d.started = time.Now()
	if err := d.launch(); err != nil {
		fmt.Fprintf(d.log, "forkgate-init: %v\n", err)
		d.pid = 0
		d.fail()
	}
}

func (d *daemon) launch() error {
	if !d.ready {
		if err := errors.Join(makeRoom(cgroupRoot), settle(dockerRoot, d.guid), writeConfig(true)); err != nil {
			return err
		}
		d.ready = true
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	defer null.Close()
	p, err := os.StartProcess("/proc/self/exe", []string{"init", "run-docker"}, &os.ProcAttr{
		Dir: "/", Env: []string{"PATH=" + dockerPath, "HOME=/root"}, Files: []*os.File{null, d.log, d.log, d.socket},
		Sys: &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return fmt.Errorf("cannot start the Docker daemon: %w", err)
	}
	d.pid = p.Pid
	return p.Release()
}

// died deals with the end of the daemon: one that was up comes back at once, for what has to run without anybody asking for it.
func (d *daemon) died(again *time.Timer) {
	if time.Since(d.started) < lasting {
		d.fail()
		return
	}
	d.rest = 0
	again.Reset(time.Second / 10)
}

// fail refuses who waits, and leaves the daemon alone for a while.
func (d *daemon) fail() {
	d.rest = min(max(2*d.rest, time.Second), longestRest)
	d.rested = time.Now().Add(d.rest)
	d.refuse()
	d.listen()
}

// reap waits for every process that has ended, and reports whether the daemon was among them.
func (d *daemon) reap() (docker bool) {
	for {
		pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || pid <= 0 {
			return docker
		}
		if pid == d.pid {
			d.pid, docker = 0, true
		}
	}
}

// refuse answers those who wait, as the daemon would: its client shows the message.
func (d *daemon) refuse() {
	listening := int(d.socket.Fd())
	if err := unix.SetNonblock(listening, true); err != nil { // it is the daemon's to change, too
		return
	}
	for {
		fd, _, err := unix.Accept4(listening, unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
		if err != nil {
			return
		}
		client := os.NewFile(uintptr(fd), "client")
		d.refused.Go(func() { answerNo(client) })
	}
}

// answerNo reads a request, for a client that cannot send it whole looks at no answer, and answers it.
func answerNo(client *os.File) {
	const message = `{"message":"the Docker daemon here does not start; the operator sees why with: forkgate logs REF docker"}`
	const head = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nConnection: close\r\n"
	defer client.Close()
	if err := client.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return
	}
	if _, err := client.Read(make([]byte, 4096)); err != nil {
		return
	}
	_, _ = fmt.Fprintf(client, "%sContent-Length: %d\r\n\r\n%s", head, len(message), message)
}

// end has the daemon stop its containers, each with its grace, and waits for both.
func (d *daemon) end(children <-chan os.Signal) {
	defer d.refused.Wait()
	if d.pid == 0 {
		return
	}
	d.letGo()
	for _ = unix.Kill(d.pid, unix.SIGTERM); d.pid != 0; {
		<-children
		d.reap()
	}
}

// letGo has the daemon not leave its containers running when it ends.
func (d *daemon) letGo() {
	if writeConfig(false) != nil || unix.Kill(d.pid, unix.SIGHUP) != nil {
		return
	}
	for range 20 {
		if info, err := ask(dockerSocket, "/info"); err != nil || info.ends() {
			return
		}
		time.Sleep(time.Second / 20)
	}
}
