package inside

import (
	"fmt"

	"golang.org/x/sys/unix"

	"forkgate/nsjail/wire"
)

// machine is pid 1 of the half that owns the pod's network. It has nothing to do yet but to hold it, and goes when the
// supervisor does.
func machine() error {
	orders, err := ordersConn()
	if err != nil {
		return err
	}
	if err := loopbackUp(); err != nil {
		return err
	}
	if err := loadFilter(machineFilter()); err != nil {
		return err
	}
	if err := orders.Send(0, wire.TypeReady, struct{}{}); err != nil {
		return err
	}
	return untilEnd(orders)
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
