package attestor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"forkgate/gate/provenance/chain"
)

// RelayCommand and MarkCommand are the words by which the daemon starts its children.
const (
	RelayCommand = "relay"
	MarkCommand  = "mark"
)

// relayOrder tells the child what to do, on its standard input. The caller's connection is its descriptor 3, the caller's mount
// namespace 4.
type relayOrder struct {
	UID    uint32   `json:"uid"`
	GID    uint32   `json:"gid"`
	Groups []uint32 `json:"groups"`
	Socket string   `json:"socket"` // of the caller's own agent
	First  []byte   `json:"first"`  // the message that was read already
}

// relay hands the caller over to its own agent, the one that SSH_AUTH_SOCK named when it was started. What is read there, in the
// caller's files and as the caller, a child reads that has the caller's rights and no more.
func (s *server) relay(ctx context.Context, c *net.UnixConn, p peer, first []byte) error {
	process, err := chain.Read(s.proc, p.pid)
	if err != nil {
		return err
	}
	order := relayOrder{
		UID: process.UIDs[1], GID: process.GID, Groups: process.Groups, Socket: variable(process.Environ, "SSH_AUTH_SOCK"), First: first,
	}
	if order.Socket == "" || order.Socket == s.socket {
		return emptyAgent(c, first)
	}
	namespace, err := os.Open("/proc/" + strconv.Itoa(p.pid) + "/ns/mnt")
	if err != nil {
		return fmt.Errorf("cannot relay: %w", err)
	}
	defer namespace.Close()
	if !p.lives() || process.UID() != p.uid { // all that was read above is the caller's
		return errors.New("cannot relay: the caller has ended")
	}
	connection, err := c.File()
	if err != nil {
		return fmt.Errorf("cannot relay: %w", err)
	}
	defer connection.Close()
	stdin, err := json.Marshal(order)
	if err != nil {
		return fmt.Errorf("cannot relay: %w", err)
	}
	child := exec.CommandContext(ctx, "/proc/self/exe", RelayCommand)
	child.Env, child.Dir = []string{}, "/"
	child.Stdin, child.ExtraFiles = bytes.NewReader(stdin), []*os.File{connection, namespace}
	var complaint bytes.Buffer
	child.Stderr = &complaint
	if err := child.Run(); err != nil {
		return fmt.Errorf("cannot relay to the agent of process %d: %w: %.200s", p.pid, err, complaint.String())
	}
	return nil
}

// emptyAgent answers a caller that has no agent of its own as an agent without keys does.
func emptyAgent(c net.Conn, message []byte) error {
	const requestIdentities, identitiesAnswer = 11, 12
	for {
		answer := []byte{messageFailure}
		if name, _, ok := extension(message); ok && name == bindExtension {
			answer = []byte{messageSuccess}
		} else if message[0] == requestIdentities {
			answer = []byte{identitiesAnswer, 0, 0, 0, 0}
		}
		err := write(c, answer)
		if err == nil {
			message, err = readMessage(c)
		}
		if err != nil {
			return err
		}
	}
}

func variable(environ []string, name string) string {
	for _, entry := range environ {
		if value, ok := strings.CutPrefix(entry, name+"="); ok {
			return value
		}
	}
	return ""
}

// marker marks a process, so that all that it will start bears the mark: see chain.Marked. It needs CAP_SYS_RESOURCE; without that a
// child with the process's own ids does it.
func marker(log *slog.Logger) func(pid int) {
	return func(pid int) {
		err := lowerQueue(pid)
		if errors.Is(err, unix.EPERM) {
			err = markAs(pid)
		}
		if err == nil || errors.Is(err, unix.ESRCH) || errors.Is(unix.Kill(pid, 0), unix.ESRCH) { // it has ended
			return
		}
		log.Warn("an agent bears no mark, and is known by all else: what it makes a child of its own parent's is harder to tell", "pid", pid, "error", err)
	}
}

// markAs has a child mark a process with that process's own ids.
func markAs(pid int) error {
	child := exec.Command("/proc/self/exe", MarkCommand, strconv.Itoa(pid))
	var complaint bytes.Buffer
	child.Stderr = &complaint
	if err := child.Run(); err != nil {
		return fmt.Errorf("%w: %.200s", err, bytes.TrimSpace(complaint.Bytes()))
	}
	return nil
}

// lowerQueue lowers the hard limit of RLIMIT_MSGQUEUE, which hardly anything uses, by one byte.
func lowerQueue(pid int) error {
	var limit unix.Rlimit
	if err := unix.Prlimit(pid, unix.RLIMIT_MSGQUEUE, nil, &limit); err != nil {
		return err
	}
	const unlimited, most = ^uint64(0), 1 << 40
	switch limit.Max {
	case 0:
		return nil
	case unlimited:
		limit.Max = most
	}
	limit.Max--
	limit.Cur = min(limit.Cur, limit.Max)
	return unix.Prlimit(pid, unix.RLIMIT_MSGQUEUE, &limit, nil)
}

// pump copies both ways until one side ends.
func pump(a, b io.ReadWriter) {
	done := make(chan struct{}, 2)
	for _, way := range []struct{ to, from io.ReadWriter }{{a, b}, {b, a}} {
		go func() {
			io.Copy(way.to, way.from)
			done <- struct{}{}
		}()
	}
	<-done
}
