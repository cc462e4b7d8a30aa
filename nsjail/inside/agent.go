package inside

import (
	"fmt"
	"net"
	"os"
	"path"

	"forkgate/nsjail"
	"forkgate/nsjail/mount"
	"forkgate/nsjail/wire"
)

// agentDir is where a session finds the socket of its caller's ssh-agent: a filesystem of the session's own, which no other one has.
const (
	agentDir    = "/run/ssh-agent"
	agentSocket = "agent.sock"
)

// withAgent adds that socket to what the session sees. Session init listens there, as the session itself could leave it to others.
func (v *view) withAgent() (_ net.Listener, err error) {
	// The directory is root's: nothing else can be made in it.
	v.agent, err = mount.New("tmpfs", mount.NoSUID|mount.NoDev|mount.NoExec, mount.Option{Key: "mode", Value: "0755"}, mount.Option{Key: "size", Value: "4k"})
	if err != nil {
		return nil, err
	}
	v.open = append(v.open, v.agent)
	socket := path.Join("/proc/self/fd", fmt.Sprint(v.agent.Fd()), agentSocket)
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("cannot make a socket for an ssh-agent: %w", err)
	}
	listener.SetUnlinkOnClose(false) // its filesystem goes with the session
	if err = os.Chmod(socket, 0o600); err == nil {
		err = os.Chown(socket, nsjail.UID, nsjail.GID)
	}
	if err != nil {
		listener.Close()
		return nil, fmt.Errorf("cannot give a session its ssh-agent: %w", err)
	}
	return listener, nil
}

// bringAgent prepares what offers connections to the agent to the door.
func (s *session) bringAgent(v *view, door *os.File) error {
	listener, err := v.withAgent()
	if err != nil {
		return err
	}
	own, err := duplicate(int(door.Fd()))
	if err != nil {
		listener.Close()
		return err
	}
	conn, err := wire.NewConn(own)
	if err != nil {
		listener.Close()
		return err
	}
	s.agent = newOffers(conn, []net.Listener{listener})
	return nil
}
