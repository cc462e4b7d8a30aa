package inside

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"forkgate/nsjail"
	"forkgate/nsjail/cgroup"
)

// Where the machine half has what its Docker daemon uses.
const (
	dockerRoot   = "/var/lib/docker"
	dockerConfig = "/etc/docker/daemon.json" // on a tmpfs
	dockerSocket = "/run/docker.sock"
	cgroupRoot   = "/sys/fs/cgroup"
	dockerPath   = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
)

// dockerds are the daemon of Docker's own packages and that of Debian's, in the order in which they are preferred.
var dockerds = []string{"/usr/bin/dockerd", "/usr/sbin/dockerd"}

// dockerBridge is the default network's address: containers find the pod's resolver there.
const dockerBridge = "172.17.0.1"

// runDocker becomes the Docker daemon. Its socket is handed over as systemd does it (sd_listen_fds(3)), which wants the daemon's
// own pid in its environment.
func runDocker() error {
	env := append(os.Environ(), "LISTEN_FDS=1", fmt.Sprintf("LISTEN_PID=%d", os.Getpid()))
	if err := closeFrom(4); err != nil {
		return err
	}
	args := []string{
		"dockerd", "--host=fd://", "--data-root=" + dockerRoot, "--exec-root=/run/docker", "--pidfile=/run/docker.pid",
		"--config-file=" + dockerConfig,
		// Its own driver for btrfs makes nested subvolumes, which a snapshot leaves empty.
		"--storage-driver=overlay2", "--exec-opt=native.cgroupdriver=cgroupfs",
		// Small networks: the kernel's table of neighbours is one for all pods and the host.
		"--bip=" + dockerBridge + "/24", "--default-address-pool=base=172.17.0.0/16,size=24", "--dns=" + dockerBridge,
	}
	err := fmt.Errorf("none of %s is there", strings.Join(dockerds, ", "))
	for _, program := range dockerds {
		if unix.Access(program, unix.X_OK) == nil {
			err = unix.Exec(program, args, env)
		}
	}
	return fmt.Errorf("cannot start the Docker daemon: %w", err)
}

// writeConfig writes the part of the configuration that changes: whether containers outlive their daemon.
func writeConfig(live bool) error {
	if err := os.WriteFile(dockerConfig, fmt.Appendf(nil, `{"live-restore": %t}`, live), 0o644); err != nil {
		return fmt.Errorf("cannot configure the Docker daemon: %w", err)
	}
	return nil
}

// makeRoom lets containers have limits: a group whose controllers are enabled for groups below may have no process itself
// (cgroups(7)), so pid 1 goes into one of its own. Where the host delegates no controllers there is nothing to enable.
func makeRoom(root string) error {
	controllers, err := cgroup.Controllers(root)
	if err != nil || len(controllers) == 0 {
		return err
	}
	if err := cgroup.Enter(filepath.Join(root, nsjail.InitGroup)); err != nil {
		return err
	}
	return cgroup.Enable(root, controllers)
}

// info is what the daemon says of itself.
type info []byte

// ends reports whether containers end with the daemon.
func (i info) ends() bool { return bytes.Contains(i, []byte(`"LiveRestoreEnabled":false`)) }

// ask gets a document from the daemon. An HTTP client would double this program's size, and with it the time that a pod takes to start.
func ask(socket, path string) (info, error) {
	conn, err := net.DialTimeout("unix", socket, time.Second)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.0\r\nHost: docker\r\n\r\n", path); err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(conn, 1<<20))
}
