package inside

import (
	"errors"
	"fmt"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"

	"forkgate/nsjail/inside/names"
	"forkgate/nsjail/threads"
	"forkgate/nsjail/wire"
)

// machine is pid 1 of the half that owns the pod's network. It runs the Docker daemon, waits for whatever is left without a parent,
// and goes when the supervisor says so or does.
func machine() error {
	orders, err := ordersConn()
	if err != nil {
		return err
	}
	var order wire.Machine
	files, err := receiveWith(orders, wire.TypeMachine, &order)
	if err != nil {
		return err
	}
	defer wire.CloseAll(files)
	if err := loopbackUp(); err != nil {
		return err
	}
	if err := errors.Join(noCores(), loadFilter(machineFilter())); err != nil {
		return err
	}
	if len(order.Scrub) > 0 {
		if len(files) != 1 {
			return fmt.Errorf("%w: %d descriptors to scrub with", wire.ErrMalformed, len(files))
		}
		if err := scrubFirst(orders, order, files[0]); err != nil {
			return err
		}
	}
	answering, err := answerNames(order.Resolvers)
	if err != nil {
		return err
	}
	defer answering.Close()
	docker, err := newDaemon(order.GUID)
	if err != nil {
		return err
	}
	children := make(chan os.Signal, 1)
	signal.Notify(children, unix.SIGCHLD)
	threads.Reserve() // before anybody is let in who could leave no room for one
	if err := orders.Send(0, wire.TypeReady, struct{}{}); err != nil {
		return err
	}
	stop := make(chan error, 1)
	go func() { stop <- untilStop(orders) }()
	return docker.keep(order.Autostart, children, stop)
}

// answerNames starts the name server of the pod, for sessions and containers (/etc/resolv.conf).
func answerNames(resolvers []string) (*names.Server, error) {
	hostname, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("cannot answer names: %w", err)
	}
	return names.Start(names.Config{Hostname: hostname, Resolvers: resolvers, Port: names.Port})
}

// untilStop waits for the word to stop. That the other side goes without a word is one as well.
func untilStop(orders *wire.Conn) error {
	err := receive(orders, wire.TypeStop, &struct{}{})
	if errors.Is(err, wire.ErrMalformed) {
		return err
	}
	return nil
}

// untilEnd waits for the other side to go; nothing is expected of it before.
func untilEnd(conn *wire.Conn) error {
	m, files, err := conn.Receive()
	wire.CloseAll(files)
	if err == nil {
		return fmt.Errorf("%w: %q", wire.ErrMalformed, m.Type)
	}
	return nil
}

// loopbackUp sets IFF_UP on lo (netdevice(7)).
func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("cannot bring lo up: %w", err)
	}
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo); err != nil {
		return fmt.Errorf("cannot bring lo up: %w", err)
	}
	return nil
}
